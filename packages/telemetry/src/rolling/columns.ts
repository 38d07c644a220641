/**
 * What is kept of one cell for one step: counts of events in it, and one level. A step is a row of numbers, so that a
 * day of them is one flat array.
 *
 *     [requests, good, in flight max, latency sum in ms, latency bucket 0 … n, saturation bucket 0 … m]
 */
import { LATENCY_THRESHOLDS_MS, SATURATION_SHARES } from '@cellplane/contract'

/** Seconds; the buckets that routers count answers in, and one more for what took longer. */
export const LATENCY_BOUNDS_S: readonly number[] = LATENCY_THRESHOLDS_MS.map((ms) => ms / 1_000)

export const REQUESTS = 0
export const GOOD = 1
export const IN_FLIGHT_MAX = 2
export const LATENCY_SUM_MS = 3
export const LATENCY_BUCKETS = 4
export const SATURATION_BUCKETS = LATENCY_BUCKETS + LATENCY_BOUNDS_S.length + 1
export const COLUMNS = SATURATION_BUCKETS + SATURATION_SHARES.length + 1

/** What happened in a step at a cell; `latencies` and `saturation` are not cumulative, one count a bucket. */
export type Sample = {
  readonly requests: number
  readonly good: number
  readonly inFlight: number
  readonly latencySumMs: number
  readonly latencies: readonly number[]
  /** By SATURATION_SHARES, and last what was turned away. Those are no attempts, so these are more than `requests`. */
  readonly saturation: readonly number[]
}
