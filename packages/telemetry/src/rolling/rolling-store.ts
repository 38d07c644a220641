/**
 * A day of a fleet's metrics in steps of ten seconds, and a month of it in steps of five minutes, in memory of fixed
 * size: what `cellplane top`, SLOs and reports need where no Prometheus is.
 *
 *     10 s × 25 h     9,000 steps × 19 columns × 4 bytes = 0.68 MB a cell
 *     5 min × 31 d    8,928 steps × 19 columns × 4 bytes = 0.68 MB a cell
 *
 * A window is summed from coarse steps, and at its two ends from fine ones, so a day of a cell is some 300 additions and
 * not 8,640. Where a window begins before the fine steps do, up to five minutes at its beginning are left out: of a
 * window of more than a day, 0.3 % at most.
 *
 * Time comes from the samples: the store has no clock.
 */
import type { Counts } from '@cellplane/core'
import type { FleetMetrics, Latencies, Window } from '../fleet-metrics.ts'
import {
  COLUMNS,
  GOOD,
  IN_FLIGHT_MAX,
  LATENCY_BOUNDS_S,
  LATENCY_BUCKETS,
  LATENCY_SUM_MS,
  REQUESTS,
  type Sample,
} from './columns.ts'
import { Ring } from './ring.ts'

export const FINE_SECONDS = 10
export const COARSE_SECONDS = 300
export const FINE_KEPT_SECONDS = 25 * 3_600
export const COARSE_KEPT_SECONDS = 31 * 86_400
export type Resolution = 'fine' | 'coarse'

const FINE_IN_COARSE = COARSE_SECONDS / FINE_SECONDS

/** A registry has at most this many cells; a name beyond it is made up. */
const CELLS_MAX = 1_000

type CellRings = {
  readonly fine: Ring
  readonly coarse: Ring /** The newest coarse step that came back whole. */
  restoredUntil: number
}

export type RollingStore = FleetMetrics & {
  /** Adds what happened at a cell at `at` (ms since the epoch). False when there are too many cells. */
  record(cell: string, at: number, sample: Sample): boolean
  /** Forgets a cell that was retired. */
  forget(cell: string): void
  /** What is held of one step, for the journal. */
  rows(resolution: Resolution, step: number): Iterable<readonly [cell: string, row: readonly number[]]>
  /**
   * Takes a row back from the journal: first those of coarse steps, then those of fine ones. A fine row counts for its
   * coarse step too where that is newer than the coarse rows that came. Of a step that is held already nothing is added.
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
      restoredUntil: 0,
    }
    rings.set(cell, made)
    return made
  }

  function addFine(rings: CellRings, step: number, row: ArrayLike<number>): void {
    const coarseStep = Math.ceil(step / FINE_IN_COARSE)
    rings.fine.add(step, row)
    if (coarseStep > rings.restoredUntil) rings.coarse.add(coarseStep, row)
  }

  /** `read` is given the sums of the first columns over the window, once for each cell that has samples in it. */
  function perCell<T>(
    { until, seconds }: Window,
    columns: number,
    read: (sums: Float64Array) => T,
  ): Map<string, T> {
    const last = stepOf(until, FINE_SECONDS)
    const first = last - Math.max(1, Math.round(seconds / FINE_SECONDS))
    const found = new Map<string, T>()
    for (const [cell, held] of rings) {
      const sums = new Float64Array(columns)
      if (sumSteps(held, first, last, sums) > 0) found.set(cell, read(sums))
    }
    return found
  }

  return {
    record(cell, at, sample) {
      const found = ringsOf(cell)
      if (found) addFine(found, stepOf(at, FINE_SECONDS), rowOf(sample))
      return found !== undefined
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
      if (resolution === 'fine') return addFine(found, step, row)
      found.coarse.add(step, row)
      found.restoredUntil = Math.max(found.restoredUntil, step)
    },
    counts: async (window) => perCell(window, GOOD + 1, countsOf),
    latencies: async (window) => perCell(window, COLUMNS, latenciesOf),
    inFlightMax: async (window) => perCell(window, IN_FLIGHT_MAX + 1, (sums) => sums[IN_FLIGHT_MAX]!),
    async countsOverTime({ until, seconds }, stepSeconds) {
      const steps = Math.ceil(seconds / stepSeconds)
      const ends = Array.from({ length: steps }, (_, nth) =>
        stepOf(until - (steps - 1 - nth) * stepSeconds * 1000, FINE_SECONDS),
      )
      const length = Math.max(1, Math.round(stepSeconds / FINE_SECONDS))
      const sums = new Float64Array(GOOD + 1)
      const overTime = new Map<string, Counts[]>()
      for (const [cell, held] of rings) {
        let found = 0
        const row = ends.map((end) => {
          sums.fill(0)
          found += sumSteps(held, end - length, end, sums)
          return countsOf(sums)
        })
        if (found > 0) overTime.set(cell, row)
      }
      return overTime
    },
  }
}

/** Sums the fine steps in (first, last]: whole coarse steps in between stand for theirs. Returns how many rows it found. */
function sumSteps({ fine, coarse }: CellRings, first: number, last: number, into: Float64Array): number {
  const firstCoarse = Math.ceil(first / FINE_IN_COARSE)
  const lastCoarse = Math.floor(last / FINE_IN_COARSE)
  if (lastCoarse <= firstCoarse) return fine.sum(first, last, into)
  return (
    fine.sum(first, firstCoarse * FINE_IN_COARSE, into) +
    coarse.sum(firstCoarse, lastCoarse, into) +
    fine.sum(lastCoarse * FINE_IN_COARSE, last, into)
  )
}

/** The number of the step that ends at or after `at`: steps are (start, end], as windows are. */
export const stepOf = (at: number, seconds: number): number => Math.ceil(at / 1000 / seconds)

const countsOf = (sums: Float64Array): Counts => ({ total: sums[REQUESTS]!, good: sums[GOOD]! })

function latenciesOf(sums: Float64Array): Latencies {
  const counts: number[] = []
  for (let column = LATENCY_BUCKETS; column < COLUMNS; column++) {
    counts.push((counts.at(-1) ?? 0) + sums[column]!)
  }
  return { counts, sumSeconds: sums[LATENCY_SUM_MS]! / 1000 }
}

function rowOf(sample: Sample): number[] {
  const row = [sample.requests, sample.good, sample.inFlight, sample.latencySumMs]
  for (let bucket = 0; bucket <= LATENCY_BOUNDS_S.length; bucket++) row.push(sample.latencies[bucket] ?? 0)
  return row
}
