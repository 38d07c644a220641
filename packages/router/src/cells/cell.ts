/**
 * One cell as this process knows it: how to reach it, what was sent to it, how it answered. It lives as long as its
 * slot is in the topology, across all snapshots, so that a new topology neither loses counts nor connections.
 */
import { rescaleDebt } from '@cellplane/contract'
import {
  type AdaptiveLimit,
  createAdaptiveLimit,
  createRetryBudget,
  DURATION_BOUNDS_MS,
  type RetryBudget,
  type SnapshotCell,
} from '@cellplane/core/data-plane'
import { burstOf } from '../decision/rate-limit.ts'
import { createSaturation } from '../decision/saturation.ts'
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
  /** Of those under way, the ones whose answers have not begun. */
  waiting: number
  /** What runs there, as the topology says. */
  release: string
  /** It drains, or is drained: what it holds is still read there, but nothing should stay. */
  isLeaving: boolean
  /** What it carries of all routers together, as the fleet declares it. */
  declared: CellCeilings
  /** Of what is declared, this process's: see core's `divideLimit`. */
  share: number
  /** Requests that may be under way there at once, from this process. */
  inFlightMax: number
  /** What its latencies say that it can carry, as a ceiling on those that wait; null when that is off. */
  readonly adaptive: AdaptiveLimit | null
  /** From this process; 0 when there is no ceiling. */
  requestsPerSecondMax: number
  /** When the ceiling next lets a request through: see the contract's `takeToken`. */
  admittedUntil: number
  /** Requests that came before its ceilings since the last report, let through or not. */
  arrived: number
  /** Second attempts that its failures may cause. */
  readonly retryBudget: RetryBudget
  readonly counters: CellCounters
}

export type CellCeilings = {
  /** 0 when there is none. */
  requestsPerSecond: number
  /** Under way at once; infinite when there is none. */
  inFlight: number
}

export const NO_CEILINGS: CellCeilings = { requestsPerSecond: 0, inFlight: Number.POSITIVE_INFINITY }

/** Counters since the process started. */
export type CellCounters = {
  /** Attempts that ended with an answer, by the first digit of its status (1–5); at 0, those that ended without one. */
  readonly attempts: Float64Array
  connectFailures: number
  /** Second attempts sent to this cell. */
  retries: number
  /** Second attempts sent to this cell beside a first one that was slow elsewhere; and those that answered first. */
  hedges: number
  hedgesWon: number
  ejections: number
  /** Times that it went away with requests under way. */
  crashes: number
  /** Requests that its ceiling turned away. */
  shed: number
  /** Attempts by the time until the head of the answer: one count for each of DURATION_BOUNDS_S, one for what took longer. */
  readonly durations: Float64Array
  durationSumS: number
  /** Requests by how full they found the cell: one count for each of SATURATION_SHARES, one for what was turned away. */
  readonly saturation: Float64Array
}

/** Seconds; by them reports and metrics count. */
export const DURATION_BOUNDS_S = DURATION_BOUNDS_MS.map((ms) => ms / 1000)

export function createCell({ slot, id, url }: SnapshotCell, secret: string, isAdaptive: boolean): Cell {
  return {
    slot,
    id,
    pool: createCellPool(url),
    secret,
    index: -1,
    inFlight: 0,
    waiting: 0,
    release: '',
    isLeaving: false,
    declared: NO_CEILINGS,
    share: 1,
    inFlightMax: 0,
    adaptive: isAdaptive ? createAdaptiveLimit() : null,
    requestsPerSecondMax: 0,
    admittedUntil: 0,
    arrived: 0,
    retryBudget: createRetryBudget(),
    counters: {
      attempts: new Float64Array(6),
      connectFailures: 0,
      retries: 0,
      hedges: 0,
      hedgesWon: 0,
      ejections: 0,
      crashes: 0,
      shed: 0,
      durations: new Float64Array(DURATION_BOUNDS_S.length + 1),
      durationSumS: 0,
      saturation: createSaturation(),
    },
  }
}

/**
 * Puts the cell's share of its declared ceilings in force. One request may always be under way, and never more than
 * `socketsMax`, which is the process's own limit and not divided. `now` in ms.
 */
export function limitCell(cell: Cell, socketsMax: number, now: number): void {
  const { declared, share } = cell
  const inFlightMax = Math.min(Math.max(1, Math.floor(declared.inFlight * share)), socketsMax)
  const rate = declared.requestsPerSecond * share
  cell.admittedUntil = rescaleDebt(cell.admittedUntil, now, cell.requestsPerSecondMax, rate, burstOf(rate))
  cell.requestsPerSecondMax = rate
  if (inFlightMax === cell.inFlightMax) return
  cell.inFlightMax = inFlightMax
  cell.adaptive?.bound(inFlightMax)
}

export function countDuration(counters: CellCounters, seconds: number): void {
  let bucket = 0
  while (bucket < DURATION_BOUNDS_S.length && seconds > DURATION_BOUNDS_S[bucket]!) bucket++
  counters.durations[bucket]!++
  counters.durationSumS += seconds
}
