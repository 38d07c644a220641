/**
 * One cell as this process knows it: how to reach it, what was sent to it, how it answered. It lives as long as its
 * slot is in the topology, across all snapshots, so that a new topology neither loses counts nor connections.
 */
import {
  type AdaptiveLimit,
  createAdaptiveLimit,
  createRetryBudget,
  type RetryBudget,
  type SnapshotCell,
} from '@cellplane/core'
import { type CellPool, createCellPool } from './cell-pool.ts'

export type Cell = {
  readonly slot: number
  readonly id: string
  /** Where it serves now, and the connections there. */
  pool: CellPool
  /** What it knows routers by. */
  readonly secret: string
  /** Its index in the current snapshot, where fitness and load are found; -1 when it has left. */
  index: number
  inFlight: number
  /** It drains, or is drained: what it holds is still read there, but nothing should stay. */
  isLeaving: boolean
  /** Requests that may be under way there at once, from this process. */
  inFlightMax: number
  /** What its latencies say that it can carry, as another ceiling; null when that is off. */
  readonly adaptive: AdaptiveLimit | null
  /** Its declared ceiling; 0 when it has none. */
  requestsPerSecondMax: number
  /** When the ceiling next lets a request through: see core's `takeToken`. */
  admittedUntil: number
  /** Second attempts that its failures may cause. */
  readonly retryBudget: RetryBudget
  readonly counters: CellCounters
}

/** Counters since the process started. */
export type CellCounters = {
  /** Attempts that ended with an answer, by the first digit of its status (1–5); at 0, those that ended without one. */
  readonly attempts: Float64Array
  connectFailures: number
  /** Second attempts sent to this cell. */
  retries: number
  ejections: number
  /** Times that it went away with requests under way. */
  crashes: number
  /** Requests that its ceiling turned away. */
  shed: number
  /** Attempts by the time until the head of the answer: one count for each of DURATION_BOUNDS_S, one for what took longer. */
  readonly durations: Float64Array
  durationSumS: number
}

/** Seconds. Wide enough for a cache hit and for a report that takes half a minute. */
export const DURATION_BOUNDS_S = [
  0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30,
] as const

export function createCell({ slot, id, url }: SnapshotCell, secret: string, isAdaptive: boolean): Cell {
  return {
    slot,
    id,
    pool: createCellPool(url),
    secret,
    index: -1,
    inFlight: 0,
    isLeaving: false,
    inFlightMax: 0,
    adaptive: isAdaptive ? createAdaptiveLimit() : null,
    requestsPerSecondMax: 0,
    admittedUntil: 0,
    retryBudget: createRetryBudget(),
    counters: {
      attempts: new Float64Array(6),
      connectFailures: 0,
      retries: 0,
      ejections: 0,
      crashes: 0,
      shed: 0,
      durations: new Float64Array(DURATION_BOUNDS_S.length + 1),
      durationSumS: 0,
    },
  }
}

export function countDuration(counters: CellCounters, seconds: number): void {
  let bucket = 0
  while (bucket < DURATION_BOUNDS_S.length && seconds > DURATION_BOUNDS_S[bucket]!) bucket++
  counters.durations[bucket]!++
  counters.durationSumS += seconds
}
