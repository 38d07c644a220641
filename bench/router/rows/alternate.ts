/**
 * Contestants take turns, round by round, so that whatever else the machine does meets all of them alike. They are
 * started once a row and warmed up first, or anew for every measurement where it is their memory that is measured.
 */
import type { Running } from '../contestants/contestant.ts'
import type { Target } from '../load/target.ts'
import { CONNECTIONS } from '../workload.ts'
import { type Entry, type Finding, type Measurements, type RowContext, targetOf } from './row.ts'

export type Turn = {
  /** What a contestant does before the first round; by default small requests, until it is compiled. */
  warmUp?(running: Running, entry: Entry): Promise<void>
  measure(running: Running, entry: Entry): Promise<Finding>
  skipped?: Record<string, string>
}

export async function alternate(
  context: RowContext,
  entries: readonly Entry[],
  turn: Turn,
): Promise<Measurements> {
  const { rounds } = context.effort
  const raw = emptyRaw(entries)
  const started = new Map<Entry, Running>()
  try {
    for (const entry of entries) {
      context.say(`warming up ${entry.name}`)
      await named(entry, async () => {
        const running = await start(context, entry)
        started.set(entry, running)
        await (turn.warmUp ?? ((r, e) => compile(context, r, e)))(running, entry)
      })
    }
    for (let round = 1; round <= rounds; round++) {
      for (const entry of entries) {
        context.say(`round ${round} of ${rounds}, ${entry.name}`)
        raw[entry.name]!.push(await named(entry, () => turn.measure(started.get(entry)!, entry)))
      }
    }
  } finally {
    await Promise.all([...started.values()].map((running) => running.stop()))
  }
  return { raw, skipped: turn.skipped ?? {} }
}

/** Each measurement in a process that has done nothing before it. */
export async function alternateFresh(
  context: RowContext,
  entries: readonly Entry[],
  measure: (running: Running, entry: Entry) => Promise<Finding>,
): Promise<Measurements> {
  const { rounds } = context.effort
  const raw = emptyRaw(entries)
  for (let round = 1; round <= rounds; round++) {
    for (const entry of entries) {
      context.say(`round ${round} of ${rounds}, ${entry.name}`)
      await named(entry, async () => {
        const running = await start(context, entry)
        try {
          raw[entry.name]!.push(await measure(running, entry))
        } finally {
          await running.stop()
        }
      })
    }
  }
  return { raw, skipped: {} }
}

/** Small requests for as long as a compiler needs, a moment for what is compiled already; and so many at least. */
export async function compile(
  { generator, effort }: RowContext,
  running: Running,
  entry: Entry,
  target: Partial<Target> = {},
  requests = 0,
): Promise<void> {
  await generator.closedLoop({
    target: targetOf(running, entry, target),
    connections: CONNECTIONS,
    warmUpMs: 0,
    warmUpRequests: requests,
    measureMs: entry.contestant.isJustInTime ? effort.compileMs : effort.warmUpMs,
  })
}

function start({ environment }: RowContext, entry: Entry): Promise<Running> {
  return entry.contestant.start({ ...environment, ...entry.environment })
}

function emptyRaw(entries: readonly Entry[]): Record<string, Finding[]> {
  return Object.fromEntries(entries.map(({ name }) => [name, []]))
}

async function named<T>({ name }: Entry, run: () => Promise<T>): Promise<T> {
  try {
    return await run()
  } catch (error) {
    throw new Error(`${name}: ${(error as Error).message}`, { cause: error })
  }
}
