/** What the load is sent to: cells, and what stands before them. */
import type { Plan } from '../plan.ts'

export type Crash = { cell: string; at: number }

export type RunningGround = {
  readonly url: string
  /** Of cells that serve the good tenants; a quarantine cell is there to be crashed. */
  crashes(): Crash[]
  /** Tenants that are in quarantine at the moment. */
  quarantined(): Promise<string[]>
  /** Cells of the good tenants that are taken out although they run. */
  takenOut(): Promise<string[]>
  stop(): Promise<void>
}

export type GroundKind = {
  readonly name: string
  readonly about: string
  start(plan: Plan): Promise<RunningGround>
}
