/** What stands between the callers and the instances. */
import type { Plan } from '../plan.ts'

export type RunningProxy = {
  readonly url: string
  /** Indexes of the instances that it has taken out of its choice at the moment. */
  takenOut(): Promise<number[]>
  stop(): Promise<void>
}

export type ProxyKind = {
  readonly name: string
  readonly about: string
  start(plan: Plan, ports: readonly number[]): Promise<RunningProxy>
}
