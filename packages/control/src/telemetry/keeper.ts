/**
 * Who keeps the metrics of a fleet: this replica by itself, from what routers report, or a Prometheus that scrapes them.
 * The rest of telemetry asks and does not care.
 */
import type { RouterReport } from '@cellplane/contract'
import type { FleetMetrics, Window } from '@cellplane/telemetry'

export type Keeper = {
  readonly metrics: FleetMetrics
  /** The same for looks at objectives: their questions wait behind nobody's report. */
  readonly watched: FleetMetrics
  /** The counts that each look asks for, of many windows. Where a long one is dear, its answer may be some minutes old. */
  readonly windows: Pick<FleetMetrics, 'counts'>
  /**
   * Whether all routers that were there at `since` measured throughout the window. Those that went away longer than a day
   * ago are not waited for. Times in ms since the epoch; to be asked of windows that end about now.
   */
  isMeasuredByAll(window: Window, since: number): Promise<boolean>
  /** Why something that routers report is not measured, in words; null: it is. To be asked at each look, for its time. */
  whyUnmeasured(until: number): Promise<string | null>
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
