/** What happened last, in words: the part of a simulation that a person reads when an invariant was violated. */
import type { World } from './world.ts'

/** Enough for the minute before a violation, faults and all. */
const ENTRIES_MAX = 400

export type Trace = ReturnType<typeof createTrace>

export function createTrace(world: World) {
  const entries: string[] = []
  let written = 0
  return {
    note(who: string, what: string): void {
      entries[written++ % ENTRIES_MAX] = `${clockOf(world.elapsed())}  ${who.padEnd(12)} ${what}`
    },
    /** The last ones, oldest first. */
    last(count: number): string[] {
      const from = Math.max(0, written - Math.min(count, ENTRIES_MAX))
      return Array.from({ length: written - from }, (_, i) => entries[(from + i) % ENTRIES_MAX]!)
    },
    /** Stands for all that was ever noted: two runs of one seed have the same. */
    count: () => written,
  }
}

/** `01:02:03.250`; hours go on beyond 24. */
export function clockOf(ms: number): string {
  const two = (n: number) => String(Math.floor(n)).padStart(2, '0')
  const millis = String(Math.floor(ms % 1000)).padStart(3, '0')
  return `${two(ms / 3_600_000)}:${two((ms / 60_000) % 60)}:${two((ms / 1000) % 60)}.${millis}`
}
