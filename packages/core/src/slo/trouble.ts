/**
 * When trouble began and ended, from the counts of short steps in a row: an alert comes some time after the one and goes
 * some time after the other, and repair time is to be told without either.
 */
import { burnRate, type Counts } from './burn-rate.ts'

export type Steps = {
  /** Of consecutive steps, oldest first. */
  readonly counts: readonly Counts[]
  /** End of the last one, in ms since the epoch. */
  readonly until: number
  readonly stepMs: number
}

/** The time from the first to the last step that burned faster than `factor`; null when none did. */
export function troubleIn(
  steps: Steps,
  target: number,
  factor: number,
): { from: number; until: number } | null {
  const isBad = (counts: Counts) => burnRate(counts, target) > factor
  const first = steps.counts.findIndex(isBad)
  if (first < 0) return null
  const endOf = (step: number) => steps.until - (steps.counts.length - 1 - step) * steps.stepMs
  return { from: endOf(first) - steps.stepMs, until: endOf(steps.counts.findLastIndex(isBad)) }
}
