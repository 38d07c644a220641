/** A row of the table: one kind of load, over the contestants that it is about. */
import type { Contestant, Environment, Running } from '../contestants/contestant.ts'
import type { Issuer } from '../fleet/tokens.ts'
import type { Generator } from '../load/generator.ts'
import type { Target } from '../load/target.ts'

/** How long and how often is measured. */
export type Effort = {
  rounds: number
  measureMs: number
  /** Before each measurement, on its own connections. */
  warmUpMs: number
  /** Once, for what is compiled while it runs. */
  compileMs: number
  /** The one large body. */
  largeBodyBytes: number
  idleClients: number
  /** For collectors and allocators to come to rest before memory is read. */
  settleMs: number
  /** Tokens that were verified before measuring; below the number of tenants, new ones are verified meanwhile. */
  tokensSeen: number
}

export type RowContext = {
  environment: Environment
  /** Who issued the tokens that the generator has. */
  issuer: Issuer
  generator: Generator
  /** Those of the row that were asked for and can run here. */
  contestants: readonly Contestant[]
  effort: Effort
  /** Tells whoever waits what is going on. */
  say(text: string): void
}

/** What one measurement found, by name; names end in their unit. */
export type Finding = Record<string, number>

export type RowResult = {
  row: string
  about: string
  /** Name of the finding that is compared; lower is better. */
  compared: string
  /** By entry: the median of each finding. */
  medians: Record<string, Finding>
  /** By entry, round by round. */
  raw: Record<string, Finding[]>
  /** By contestant: why it is not in the row. */
  skipped: Record<string, string>
}

export type Row = {
  name: string
  about: string
  compared: string
  /** The contestants that it is about unless others are asked for. */
  contestants: readonly string[]
  run(context: RowContext): Promise<Measurements>
}

export type Measurements = { raw: Record<string, Finding[]>; skipped: Record<string, string> }

/** One thing that is measured in turn with the others: a contestant, perhaps in a certain way. */
export type Entry = {
  name: string
  contestant: Contestant
  environment?: Partial<Environment>
}

export function entriesOf({ contestants }: RowContext): Entry[] {
  return contestants.map((contestant) => ({ name: contestant.name, contestant }))
}

export function targetOf(running: Running, { contestant }: Entry, more: Partial<Target> = {}): Target {
  return {
    port: running.port,
    pids: running.pids(),
    isRouting: contestant.isRouting,
    requests: 'header',
    ...more,
  }
}
