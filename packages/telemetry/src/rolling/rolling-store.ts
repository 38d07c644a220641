/**
 * A day of a fleet's metrics in steps of ten seconds, and a month of it in steps of five minutes, in memory of fixed
 * size: what `cellplane top`, SLOs and reports need where no Prometheus is.
 *
 *     10 s × 25 h     9,000 steps × 26 columns × 4 bytes = 0.94 MB a cell
 *     5 min × 31 d    8,928 steps × 26 columns × 4 bytes = 0.93 MB a cell
 *     1 h × 31 d        744 steps × 26 columns × 8 bytes = 0.15 MB a cell
 *
 * Of that a cell takes what it fills: a bucket in which it never has a request is never written to.
 *
 * A window is summed from whole hours; at its two ends from coarse steps, and at theirs from fine ones. So a month of a
 * cell is some 800 additions and not 259,200. Where a window begins before the fine steps do, up to five minutes at its
 * beginning are left out: of a window of more than a day, 0.3 % at most.
 *
 * Each coarse step and each hour is the sum of what came for the next finer steps, never reckoned anew, so a sample that
 * comes late is in all of them. Hours are not in the journal: coarse steps that come back make them again, and fine ones
 * make the coarse ones that do not.
 *
 * Time comes from the samples: the store has no clock.
 */
import { SATURATION_SHARES } from '@cellplane/contract'
import type { Counts } from '@cellplane/core'
import {
  AVAILABILITY,
  type FleetMetrics,
  type Indicator,
  type Latencies,
  MEASURED_SECONDS,
  type Window,
} from '../fleet-metrics.ts'
import {
  GOOD,
  IN_FLIGHT_MAX,
  LATENCY_BOUNDS_S,
  LATENCY_BUCKETS,
  LATENCY_SUM_MS,
  REQUESTS,
  SATURATION_BUCKETS,
  type Sample,
} from './columns.ts'
import { Ring } from './ring.ts'

export const FINE_SECONDS = 10
export const COARSE_SECONDS = 300
export const FINE_KEPT_SECONDS = 25 * 3_600
export const COARSE_KEPT_SECONDS = 31 * 86_400
export type Resolution = 'fine' | 'coarse'

const FINE_IN_COARSE = COARSE_SECONDS / FINE_SECONDS
const HOUR_SECONDS = 3_600
const COARSE_IN_HOUR = HOUR_SECONDS / COARSE_SECONDS
/** That have fine steps still; the oldest of them in part. */
const COARSE_WITH_FINE = FINE_KEPT_SECONDS / COARSE_SECONDS + 1

/** A registry has at most this many cells; a name beyond it is made up. */
const CELLS_MAX = 1_000

type CellRings = {
  readonly fine: Ring
  readonly coarse: Ring
  readonly hours: Ring
  /** The coarse steps that came back whole, each in the place of its number modulo the size. */
  readonly cameBack: Uint32Array
}

export type RollingStore = FleetMetrics & {
  /** Adds what happened at a cell just now, at `at` (ms since the epoch). False when there are too many cells. */
  record(cell: string, at: number, sample: Sample): boolean
  /** Forgets a cell that was retired. */
  forget(cell: string): void
  /** What is held of one step, for the journal. */
  rows(resolution: Resolution, step: number): Iterable<readonly [cell: string, row: readonly number[]]>
  /**
   * Takes a row back from the journal: first those of coarse steps, then those of fine ones. A fine row counts for its
   * coarse step too where that did not come back. Of a step that is held already nothing is added.
   */
  restore(resolution: Resolution, cell: string, step: number, row: readonly number[]): void
}

export function createRollingStore(): RollingStore {
  const rings = new Map<string, CellRings>()

  function ringsOf(cell: string): CellRings | undefined {
    const known = rings.get(cell)
    if (known || rings.size >= CELLS_MAX) return known
    const made = {
      fine: new Ring(FINE_KEPT_SECONDS / FINE_SECONDS),
      coarse: new Ring(COARSE_KEPT_SECONDS / COARSE_SECONDS),
      // 5,000 requests a second are more in an hour than 32 bits count.
      hours: new Ring(COARSE_KEPT_SECONDS / HOUR_SECONDS, Float64Array),
      cameBack: new Uint32Array(COARSE_WITH_FINE),
    }
    rings.set(cell, made)
    return made
  }

  function addCoarse({ coarse, hours }: CellRings, step: number, row: ArrayLike<number>, isOfNow: boolean) {
    coarse.add(step, row, isOfNow)
    hours.add(Math.ceil(step / COARSE_IN_HOUR), row, isOfNow)
  }

  /** What is read over the window, once for each cell that has samples in it. */
  function perCell<T>({ until, seconds }: Window, { column, count, read }: Reading<T>): Map<string, T> {
    const last = stepOf(until, FINE_SECONDS)
    const first = last - Math.max(1, Math.round(seconds / FINE_SECONDS))
    const found = new Map<string, T>()
    for (const [cell, held] of rings) {
      const sums = new Float64Array(count)
      if (sumSteps(held, first, last, sums, column) > 0) found.set(cell, read(sums))
    }
    return found
  }

  return {
    record(cell, at, sample) {
      const found = ringsOf(cell)
      if (!found) return false
      const step = stepOf(at, FINE_SECONDS)
      const row = rowOf(sample)
      found.fine.add(step, row, true)
      addCoarse(found, coarseStepOf(step), row, true)
      return true
    },
    forget: (cell) => void rings.delete(cell),
    *rows(resolution, step) {
      for (const [cell, found] of rings) {
        const row = found[resolution].at(step)
        if (row) yield [cell, row]
      }
    },
    restore(resolution, cell, step, row) {
      const found = ringsOf(cell)
      if (!found) return
      // After an append that failed half-way the journal has the same step twice.
      if (found[resolution].has(step)) return
      const { cameBack } = found
      if (resolution === 'coarse') {
        addCoarse(found, step, row, false)
        cameBack[step % COARSE_WITH_FINE] = step
        return
      }
      const coarseStep = coarseStepOf(step)
      found.fine.add(step, row, false)
      if (cameBack[coarseStep % COARSE_WITH_FINE] !== coarseStep) addCoarse(found, coarseStep, row, false)
    },
    stepSeconds: FINE_SECONDS,
    counts: async (window, indicator = AVAILABILITY) => perCell(window, readingOf(indicator)),
    latencies: async (window) => perCell(window, LATENCIES),
    inFlightMax: async (window) => perCell(window, HIGHEST_IN_FLIGHT),
    async countsOverTime({ until, seconds }, stepSeconds, indicator = AVAILABILITY) {
      const { column, count, read } = readingOf(indicator)
      const steps = Math.ceil(seconds / stepSeconds)
      const ends = Array.from({ length: steps }, (_, nth) =>
        stepOf(until - (steps - 1 - nth) * stepSeconds * 1000, FINE_SECONDS),
      )
      const length = Math.max(1, Math.round(stepSeconds / FINE_SECONDS))
      const sums = new Float64Array(count)
      const overTime = new Map<string, Counts[]>()
      for (const [cell, held] of rings) {
        let found = 0
        const row = ends.map((end) => {
          sums.fill(0)
          found += sumSteps(held, end - length, end, sums, column)
          return read(sums)
        })
        if (found > 0) overTime.set(cell, row)
      }
      return overTime
    },
    async isMeasured({ until, seconds }) {
      const nothing = new Float64Array(0)
      for (let back = 0; back < seconds; back += MEASURED_SECONDS) {
        const last = stepOf(until - back * 1_000, FINE_SECONDS)
        const first = last - MEASURED_SECONDS / FINE_SECONDS
        if (![...rings.values()].some(({ fine }) => fine.sum(first, last, nothing) > 0)) return false
      }
      return true
    },
  }
}

/** Sums the fine steps in (first, last]: whole coarse steps in between stand for theirs. Returns how many rows it found. */
function sumSteps(rings: CellRings, first: number, last: number, into: Float64Array, column: number): number {
  const firstCoarse = Math.ceil(first / FINE_IN_COARSE)
  const lastCoarse = Math.floor(last / FINE_IN_COARSE)
  if (lastCoarse <= firstCoarse) return rings.fine.sum(first, last, into, column)
  return (
    rings.fine.sum(first, firstCoarse * FINE_IN_COARSE, into, column) +
    sumCoarse(rings, firstCoarse, lastCoarse, into, column) +
    rings.fine.sum(lastCoarse * FINE_IN_COARSE, last, into, column)
  )
}

/** The same of coarse steps, for which whole hours stand. */
function sumCoarse(
  { coarse, hours }: CellRings,
  first: number,
  last: number,
  into: Float64Array,
  column: number,
): number {
  const firstHour = Math.ceil(first / COARSE_IN_HOUR)
  const lastHour = Math.floor(last / COARSE_IN_HOUR)
  if (lastHour <= firstHour) return coarse.sum(first, last, into, column)
  return (
    coarse.sum(first, firstHour * COARSE_IN_HOUR, into, column) +
    hours.sum(firstHour, lastHour, into, column) +
    coarse.sum(lastHour * COARSE_IN_HOUR, last, into, column)
  )
}

/** The number of the step that ends at or after `at`: steps are (start, end], as windows are. */
export const stepOf = (at: number, seconds: number): number => Math.ceil(at / 1000 / seconds)

const coarseStepOf = (fineStep: number) => Math.ceil(fineStep / FINE_IN_COARSE)

/** `count` columns from `column` on, and what their sums say. */
type Reading<T> = { column: number; count: number; read(sums: Float64Array): T }

const LATENCIES: Reading<Latencies> = {
  column: LATENCY_SUM_MS,
  count: SATURATION_BUCKETS - LATENCY_SUM_MS,
  read: ([sumMs = 0, ...buckets]) => {
    let upTo = 0
    return { counts: buckets.map((count) => (upTo += count)), sumSeconds: sumMs / 1000 }
  },
}

const HIGHEST_IN_FLIGHT: Reading<number> = { column: IN_FLIGHT_MAX, count: 1, read: ([level = 0]) => level }

function readingOf(indicator: Indicator): Reading<Counts> {
  switch (indicator.indicator) {
    case 'availability':
      return { column: REQUESTS, count: GOOD + 1, read: ([total = 0, good = 0]) => ({ total, good }) }
    case 'latency': {
      const inTime = LATENCY_BOUNDS_S.findIndex((seconds) => seconds * 1_000 >= indicator.threshold_ms)
      return bucketsUpTo(LATENCY_BUCKETS, LATENCY_BOUNDS_S.length + 1, inTime)
    }
    case 'saturation': {
      const withRoom = SATURATION_SHARES.indexOf(indicator.threshold_share)
      return bucketsUpTo(SATURATION_BUCKETS, SATURATION_SHARES.length + 1, withRoom)
    }
  }
}

/** Of a histogram all events, and as the good ones those in its first buckets up to `last`. */
function bucketsUpTo(column: number, count: number, last: number): Reading<Counts> {
  function read(sums: Float64Array): Counts {
    let [total, good] = [0, 0]
    for (const [bucket, count] of sums.entries()) {
      total += count
      if (bucket <= last) good += count
    }
    return { total, good }
  }
  return { column, count, read }
}

function rowOf(sample: Sample): number[] {
  const row = [sample.requests, sample.good, sample.inFlight, sample.latencySumMs]
  for (let bucket = 0; bucket <= LATENCY_BOUNDS_S.length; bucket++) row.push(sample.latencies[bucket] ?? 0)
  for (let bucket = 0; bucket <= SATURATION_SHARES.length; bucket++) row.push(sample.saturation[bucket] ?? 0)
  return row
}
