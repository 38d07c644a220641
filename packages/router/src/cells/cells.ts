/**
 * All cells, with what changes by the moment: how fit each is for traffic, and how much of it is under way there.
 *
 * Fitness comes from two sides, and the more cautious one holds: the overlay's health marks, which know what probes see,
 * and this router's own outlier detection, which works when nobody else does. A cell that comes back from either ramps
 * up. The arrays are indexed as the current snapshot is; a cell's own record outlives it.
 */
import { deriveRouterSecret } from '@cellplane/contract'
import {
  createOutlierDetector,
  OUTLIER_POLICY,
  type Outcome,
  type OutlierChange,
  type OutlierDetector,
  rampFitness,
  type Snapshot,
  unhealthyIndexes,
} from '@cellplane/core'
import { monotonicNow } from '../clock.ts'
import type { Topology } from '../documents/topology-follower.ts'
import type { Logger } from '../log.ts'
import { type Cell, countDuration, createCell } from './cell.ts'
import { createCellPool } from './cell-pool.ts'

export type CellArrays = {
  readonly cells: readonly Cell[]
  /** 0 out, 255 full, between them the share that a cell on its ramp takes. */
  readonly fitness: Uint8Array
  readonly inFlight: Uint32Array
}

export type Cells = {
  /** By the index of the snapshot that was adopted last. */
  readonly arrays: CellArrays
  /** Why the overlay's marks are not followed; empty when they are, or there are none. */
  readonly marksIgnoredBecause: string
  /** Takes what is current: new cells, moved cells, marks. */
  adopt(topology: Topology): void
  /** Lets time pass: ejections end, ramps rise, marks grow old. */
  tick(): void
  isEjected(index: number): boolean
  isMarked(index: number): boolean
  begin(cell: Cell): void
  end(cell: Cell): void
  /** An attempt that began at `startedAt` was answered. Returns the time. */
  countAnswer(cell: Cell, status: number, startedAt: number): number
  /** An attempt ended without an answer. */
  countFailure(cell: Cell, isConnectFailure: boolean): void
  /** An answer broke off. */
  countCut(cell: Cell): void
  /** Closes connections that are idle for too long. */
  sweep(now: number): void
  /** Closes all idle connections, and from now on each that becomes idle. */
  close(): void
}

/** A share of 1/255 lasts 40 ms on a ramp of 10 s; ticks need not be finer than a few steps. */
export const TICK_MS = 200

/** `socketsMax`: requests under way at one cell, at most. */
export function createCells(fleet: string, routerKey: string, socketsMax: number, log: Logger): Cells {
  const bySlot = new Map<number, Cell>()
  let arrays: CellArrays = { cells: [], fitness: new Uint8Array(0), inFlight: new Uint32Array(0) }
  let topology: Topology | null = null
  let detector: OutlierDetector = createOutlierDetector(OUTLIER_POLICY, [])
  let marked = new Uint8Array(0)
  let marksIgnoredBecause = ''
  /** By slot: when a health mark was taken off. */
  const unmarkedAt = new Map<number, number>()

  const rampMs = (snapshot: Snapshot) => snapshot.base.limits.ramp_seconds * 1000

  function adoptSnapshot(snapshot: Snapshot): void {
    for (const cell of bySlot.values()) cell.index = -1
    const entries = new Map(snapshot.base.cells.map((entry) => [entry.slot, entry]))
    const cells = snapshot.cells.map((entry) => {
      const known = bySlot.get(entry.slot)
      const cell =
        known?.id === entry.id ? known : createCell(entry, deriveRouterSecret(routerKey, fleet, entry.id))
      if (cell.pool.origin.url !== entry.url) {
        // A moved cell gets a new pool; the connections of the old one end with their requests.
        cell.pool.close()
        cell.pool = createCellPool(entry.url)
      }
      const { state, capacity } = entries.get(entry.slot)!
      const { in_flight: inFlightMax = Number.POSITIVE_INFINITY, requests_per_second: rate = 0 } = capacity
      cell.isLeaving = state !== 'active'
      cell.inFlightMax = Math.min(inFlightMax, socketsMax)
      cell.requestsPerSecondMax = rate
      cell.index = entry.index
      bySlot.set(entry.slot, cell)
      return cell
    })
    for (const [slot, cell] of bySlot) {
      if (cell.index >= 0) continue
      cell.isLeaving = true
      cell.pool.close()
      bySlot.delete(slot)
    }
    arrays = {
      cells,
      fitness: new Uint8Array(cells.length).fill(255),
      inFlight: Uint32Array.from(cells, (cell) => cell.inFlight),
    }
    detector = createOutlierDetector(
      { ...OUTLIER_POLICY, rampMs: rampMs(snapshot) },
      snapshot.cells,
      detector,
    )
    marked = Uint8Array.from(snapshot.cells, ({ slot }) => (wasMarked(slot) ? 1 : 0))
    for (const slot of unmarkedAt.keys()) if (!bySlot.has(slot)) unmarkedAt.delete(slot)
  }

  function wasMarked(slot: number): boolean {
    const index = topology?.snapshot.indexOfSlot(slot) ?? -1
    return index >= 0 && marked[index] === 1
  }

  function refreshMarks({ snapshot, overlay, overlayConfirmedAt }: Topology, now: number): void {
    const marks = unhealthyIndexes(snapshot, overlay, now, overlayConfirmedAt)
    for (const { index, slot } of snapshot.cells) {
      if (marked[index] === 1 && marks.out[index] === 0) unmarkedAt.set(slot, now)
    }
    marked = Uint8Array.from(marks.out)
    // Once, not again with every second that the reason counts.
    if (marks.ignored && marksIgnoredBecause === '') {
      log.warn('the overlay’s health marks are ignored', { why: marks.reason })
    }
    marksIgnoredBecause = marks.reason
  }

  function refreshFitness(snapshot: Snapshot, now: number): void {
    for (const { index, slot } of snapshot.cells) {
      const since = unmarkedAt.get(slot)
      const rise = since === undefined ? 255 : rampFitness(now, since, rampMs(snapshot))
      if (rise === 255) unmarkedAt.delete(slot)
      arrays.fitness[index] = marked[index] === 1 ? 0 : Math.min(rise, detector.fitness(index, now))
    }
  }

  function note({ index, change }: OutlierChange): void {
    const cell = arrays.cells[index]!
    if (change === 'ejected') cell.counters.ejections++
    const what =
      change === 'ejected' ? 'cell ejected: too many failures in a row' : 'cell readmitted, ramping up'
    log.warn(what, { cell: cell.id })
  }

  /** Tells the outlier detection how an attempt went. */
  function record(cell: Cell, outcome: Outcome, now: number): void {
    if (cell.index < 0) return
    const change = detector.record(cell.index, outcome, now)
    if (!change) return
    note(change)
    arrays.fitness[change.index] = 0
  }

  return {
    get arrays() {
      return arrays
    },
    get marksIgnoredBecause() {
      return marksIgnoredBecause
    },
    adopt(next) {
      if (next.snapshot !== topology?.snapshot) adoptSnapshot(next.snapshot)
      topology = next
      const now = monotonicNow()
      refreshMarks(next, now)
      refreshFitness(next.snapshot, now)
    },
    tick() {
      if (!topology) return
      const now = monotonicNow()
      for (const change of detector.tick(now)) note(change)
      refreshMarks(topology, now)
      refreshFitness(topology.snapshot, now)
    },
    isEjected: (index) => detector.isEjected(index),
    isMarked: (index) => marked[index] === 1,
    begin(cell) {
      cell.inFlight++
      if (cell.index >= 0) arrays.inFlight[cell.index] = cell.inFlight
    },
    end(cell) {
      cell.inFlight--
      if (cell.index >= 0) arrays.inFlight[cell.index] = cell.inFlight
    },
    sweep(now) {
      for (const cell of bySlot.values()) cell.pool.sweep(now)
    },
    close() {
      for (const cell of bySlot.values()) cell.pool.close()
    },
    countAnswer(cell, status, startedAt) {
      const now = monotonicNow()
      const { counters } = cell
      counters.attempts[(status / 100) | 0]!++
      countDuration(counters, (now - startedAt) / 1000)
      record(cell, status >= 500 ? 'error' : 'ok', now)
      return now
    },
    countFailure(cell, isConnectFailure) {
      cell.counters.attempts[0]!++
      if (isConnectFailure) cell.counters.connectFailures++
      record(cell, isConnectFailure ? 'connect-failure' : 'error', monotonicNow())
    },
    countCut: (cell) => record(cell, 'error', monotonicNow()),
  }
}
