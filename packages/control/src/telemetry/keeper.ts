/**
 * Who keeps the metrics of a fleet: this replica by itself, from what routers report, or a Prometheus that scrapes them.
 * The rest of telemetry asks and does not care.
 */
import type { RouterReport } from '@cellplane/contract'
import type { FleetMetrics } from '@cellplane/telemetry'

export type Keeper = {
  readonly metrics: FleetMetrics
  /** What looks at objectives ask. Where a long window is dear to ask for, its answer may be some minutes old. */
  readonly windows: Pick<FleetMetrics, 'counts'>
  /** Every replica has the same metrics, and not only the one that routers report to. */
  readonly isShared: boolean
  /** What a router reported. */
  record(report: RouterReport): void
  /** What is under way at each slot, at all routers together; called each second. */
  recordLevels(inFlightBySlot: ReadonlyMap<number, number>): void
  /** A cell was retired longer ago than metrics go back. */
  forget(cell: string): void
  /** When metrics of before the start are there, or were given up. Never rejects. */
  readonly restored: Promise<void>
  /** Puts on disk what is over and not there yet. Never rejects: what cannot be kept is told as a problem. */
  save(): Promise<void>
}
