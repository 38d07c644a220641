/**
 * A count over the same window as `createHeavyHitters` reads, for what has a record of its own anyway: three numbers, and
 * one comparison more than a plain counter has. The halves of all counts begin together, so that counts may be divided by each other.
 */
import { HEAVY_HITTER_POLICY, halfEnd } from './heavy-hitters.ts'

/** `until`: when the current half ends. */
export type WindowCount = { until: number; current: number; former: number }

const HALF_MS = HEAVY_HITTER_POLICY.windowMs / 2

export const createWindowCount = (): WindowCount => ({ until: 0, current: 0, former: 0 })

/** `now` in ms, on the clock of the sketches that it is compared with. */
export function countInWindow(count: WindowCount, now: number): void {
  if (now >= count.until) turn(count, now)
  count.current++
}

export function readWindowCount(count: WindowCount, now: number): number {
  if (now >= count.until) turn(count, now)
  return count.former + count.current
}

function turn(count: WindowCount, now: number): void {
  const until = halfEnd(now, HALF_MS)
  count.former = until === count.until + HALF_MS ? count.current : 0
  count.current = 0
  count.until = until
}
