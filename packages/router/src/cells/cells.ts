/**
 * All cells, with what changes by the moment: how fit each is for traffic, and how much of it is under way there.
 *
 * Fitness comes from two sides, and the more cautious one holds: the overlay's health marks, which know what probes see,
 * and this router's own outlier detection, which works when nobody else does. A cell that comes back from either ramps
 * up, and so does one that is new, or active again, in a fleet that runs: its caches are cold. The arrays are indexed as the current snapshot is; a cell's own record outlives it.
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
} from '@cellplane/core/data-plane'
import { monotonicNow } from '../clock.ts'
import type { RouterLimits } from '../config.ts'
import { createTenantFigures, type TenantFigures } from '../decision/tenant-figures.ts'
import type { Tenant } from '../decision/tenants.ts'
import type { Topology } from '../documents/topology-follower.ts'
import type { Logger } from '../log.ts'
import { type Cell, countDuration, createCell, limitCell, NO_CEILINGS } from './cell.ts'
import { createCellPool } from './cell-pool.ts'

export type CellArrays = {
  readonly cells: readonly Cell[]
  /** 0 out, 255 full, between them the share that a cell on its ramp takes. */
  readonly fitness: Uint8Array
  readonly inFlight: Uint32Array
}

/** What is told of one attempt. */
export type Attempted = {
  readonly cell: Cell
  /** An integer that stays the same for one tenant, for as long as outlier detection looks back: its row. */
  readonly caller: number
  /** Whose figures it counts for, if anybody's. */
  readonly tenant?: Tenant
  /** On the router's clock. */
  readonly startedAt: number
  /** Its answer has begun: set by `countAnswer`. */
  hasAnswer: boolean
}

export type Cells = {
  /** What attempts came to, by tenant. */
  readonly figures: Pick<TenantFigures, 'read'>
  /** By the index of the snapshot that was adopted last. */
  readonly arrays: CellArrays
  /** Why the overlay's marks are not followed; empty when they are, or there are none. */
  readonly marksIgnoredBecause: string
  /** Takes what is current: new cells, moved cells, marks. */
  adopt(topology: Topology): void
  /** Lets time pass: ejections end, ramps rise, marks grow old. */
  tick(): void
  /** This process's share of each cell's declared ceilings, by slot; the whole of those that are not named. */
  setShares(shares: ReadonlyMap<number, number>): void
  /** What came before each cell's ceilings since the last call, by slot; cells to which nothing came are left out. */
  takeArrivals(): Map<number, number>
  isEjected(index: number): boolean
  isMarked(index: number): boolean
  begin(cell: Cell): void
  /** Whatever became of it; to be called after it was counted. */
  end(attempt: Pick<Attempted, 'cell' | 'hasAnswer'>): void
  /** An attempt was answered. Returns the time. */
  countAnswer(attempt: Attempted, status: number): number
  /** An answer has come to its end. */
  countWhole(cell: Cell, status: number, answeredAt: number): void
  /** An attempt ended without an answer. */
  countFailure(attempt: Attempted, isConnectFailure: boolean): void
  /** An answer broke off. */
  countCut(attempt: Attempted): void
  /** Closes all idle connections, and from now on each that becomes idle. */
  close(): void
}

/** Whose a success is does not matter. */
const NOBODY = -1

/** A share of 1/255 lasts 40 ms on a ramp of 10 s; ticks need not be finer than a few steps. */
export const TICK_MS = 200

export type CellLimits = Pick<RouterLimits, 'sockets_per_cell_max' | 'adaptive'>

export function createCells(fleet: string, routerKey: string, limits: CellLimits, log: Logger): Cells {
  const bySlot = new Map<number, Cell>()
  let arrays: CellArrays = { cells: [], fitness: new Uint8Array(0), inFlight: new Uint32Array(0) }
  let topology: Topology | null = null
  let detector: OutlierDetector = createOutlierDetector(OUTLIER_POLICY, [])
  const figures = createTenantFigures()
  let marked = new Uint8Array(0)
  let marksIgnoredBecause = ''
  let shares: ReadonlyMap<number, number> = new Map()
  /** By slot: since when it takes a rising share, for another reason than an ejection. */
  const risingSince = new Map<number, number>()

  const rampMs = (snapshot: Snapshot) => snapshot.base.limits.ramp_seconds * 1000

  function adoptSnapshot(snapshot: Snapshot): void {
    const now = monotonicNow()
    // Not at the start, when there is nobody else to take the load; nor where a tenant's data is in one cell: a new one
    // gets its tenants one by one there, and their requests belong nowhere else.
    const canStandIn = topology !== null && snapshot.base.fleet_kind === 'stateless'
    for (const cell of bySlot.values()) cell.index = -1
    const cells = snapshot.cells.map((entry) => {
      const known = bySlot.get(entry.slot)
      const cell =
        known?.id === entry.id
          ? known
          : createCell(entry, deriveRouterSecret(routerKey, fleet, entry.id), limits.adaptive === 'on')
      if (cell.pool.origin.url !== entry.url) {
        // A moved cell gets a new pool; the connections of the old one end with their requests.
        cell.pool.close()
        cell.pool = createCellPool(entry.url)
      }
      const { state, capacity, release } = snapshot.base.cells[entry.index]!
      const isCold = cell !== known || cell.isLeaving
      if (isCold && state === 'active' && canStandIn) risingSince.set(entry.slot, now)
      cell.release = release
      cell.isLeaving = state !== 'active'
      cell.declared = {
        requestsPerSecond: capacity.requests_per_second ?? NO_CEILINGS.requestsPerSecond,
        inFlight: capacity.in_flight ?? NO_CEILINGS.inFlight,
      }
      cell.share = shares.get(entry.slot) ?? 1
      limitCell(cell, limits.sockets_per_cell_max, now)
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
    for (const slot of risingSince.keys()) if (!bySlot.has(slot)) risingSince.delete(slot)
  }

  function wasMarked(slot: number): boolean {
    const index = topology?.snapshot.indexOfSlot(slot) ?? -1
    return index >= 0 && marked[index] === 1
  }

  function refreshMarks({ snapshot, overlay, overlayConfirmedAt }: Topology, now: number): void {
    const marks = unhealthyIndexes(snapshot, overlay, now, overlayConfirmedAt)
    for (const { index, slot } of snapshot.cells) {
      if (marked[index] === 1 && marks.out[index] === 0) risingSince.set(slot, now)
    }
    marked = Uint8Array.from(marks.out)
    detector.setMarked(marked)
    // Once, not again with every second that the reason counts.
    if (marks.ignored && marksIgnoredBecause === '') {
      log.warn('the overlay’s health marks are ignored', { why: marks.reason })
    }
    marksIgnoredBecause = marks.reason
  }

  function refreshFitness(snapshot: Snapshot, now: number): void {
    for (const { index, slot } of snapshot.cells) {
      const since = risingSince.get(slot)
      const rise = since === undefined ? 255 : rampFitness(now, since, rampMs(snapshot))
      if (rise === 255) risingSince.delete(slot)
      arrays.fitness[index] = marked[index] === 1 ? 0 : Math.min(rise, detector.fitness(index, now))
    }
  }

  function note(change: OutlierChange): void {
    const cell = arrays.cells[change.index]!
    if (change.change === 'readmitted') return log.warn('cell readmitted, ramping up', { cell: cell.id })
    cell.counters.ejections++
    log.warn('cell ejected: it fails too often', { cell: cell.id, why: change.why })
  }

  /** Tells the outlier detection how an attempt went. */
  function record(cell: Cell, outcome: Outcome, caller: number, now: number): void {
    if (cell.index < 0) return
    const change = detector.record(cell.index, outcome, caller, now)
    if (!change) return
    note(change)
    arrays.fitness[change.index] = 0
  }

  return {
    figures,
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
      for (const { adaptive } of arrays.cells) adaptive?.tick(now)
      refreshMarks(topology, now)
      refreshFitness(topology.snapshot, now)
    },
    setShares(next) {
      shares = next
      const now = monotonicNow()
      for (const cell of bySlot.values()) {
        cell.share = shares.get(cell.slot) ?? 1
        limitCell(cell, limits.sockets_per_cell_max, now)
      }
    },
    takeArrivals() {
      const arrivals = new Map<number, number>()
      for (const cell of bySlot.values()) {
        if (cell.arrived > 0) arrivals.set(cell.slot, cell.arrived)
        cell.arrived = 0
      }
      return arrivals
    },
    isEjected: (index) => detector.isEjected(index),
    isMarked: (index) => marked[index] === 1,
    begin(cell) {
      cell.inFlight++
      cell.waiting++
      if (cell.index >= 0) arrays.inFlight[cell.index] = cell.inFlight
    },
    end({ cell, hasAnswer }) {
      cell.inFlight--
      if (!hasAnswer) cell.waiting--
      if (cell.index >= 0) arrays.inFlight[cell.index] = cell.inFlight
    },
    close() {
      for (const cell of bySlot.values()) cell.pool.close()
    },
    countAnswer(attempt, status) {
      const { cell, caller, tenant, startedAt } = attempt
      const now = monotonicNow()
      const { counters } = cell
      counters.attempts[(status / 100) | 0]!++
      countDuration(counters, (now - startedAt) / 1000)
      if (tenant) {
        figures.attempted(tenant, cell.slot, now - startedAt, now)
        if (status >= 500) figures.failed(tenant, cell.slot, now)
      }
      if (status < 500) cell.adaptive?.answered(now, startedAt, cell.waiting)
      attempt.hasAnswer = true
      cell.waiting--
      // Only the end of an answer shows that a cell is well: one that sends a head and then hangs sends many heads.
      if (status >= 500) record(cell, 'error', caller, now)
      else if (status === 101) record(cell, 'ok', caller, now)
      return now
    },
    countWhole(cell, status, answeredAt) {
      if (status < 500) record(cell, 'ok', NOBODY, answeredAt)
    },
    countFailure({ cell, caller, tenant, startedAt }, isConnectFailure) {
      const now = monotonicNow()
      cell.counters.attempts[0]!++
      if (isConnectFailure) cell.counters.connectFailures++
      else if (tenant) {
        figures.attempted(tenant, cell.slot, now - startedAt, now)
        figures.failed(tenant, cell.slot, now)
      }
      record(cell, isConnectFailure ? 'connect-failure' : 'error', caller, now)
    },
    countCut({ cell, caller, tenant }) {
      const now = monotonicNow()
      if (tenant) figures.failed(tenant, cell.slot, now)
      record(cell, 'error', caller, now)
    },
  }
}
