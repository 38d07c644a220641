/**
 * Routers' reports → samples of each cell in the store of metrics. What a report says has grown since the one before is
 * taken as of now: reports come each second, and steps are of ten.
 *
 * Counts are of attempts at a cell, good when they were answered and not with a 5xx. The control plane's synthetic tenants ask
 * cells directly and never through a router, so they are in none of this.
 */
import type { RouterReport } from '@cellplane/contract'
import type { RollingStore } from '@cellplane/telemetry'
import { createReportGrowth } from '../routers/report-growth.ts'

export type TrafficOptions = {
  metrics: Pick<RollingStore, 'record'>
  /** Undefined for a slot that the topology does not have. */
  cellOf(slot: number): string | undefined
  /** Ms since the epoch. */
  now(): number
  /** Ms since this process began to listen. */
  uptimeMs(): number
}

export type Traffic = ReturnType<typeof createTraffic>

/**
 * A router whose first report comes this long after its start has counted what is long over. One that is younger, and
 * younger than this process, was heard by nobody before, so all of its counts are new.
 */
const YOUNG_RUN_MS = 60_000

export function createTraffic({ metrics, cellOf, now, uptimeMs }: TrafficOptions) {
  const growthsOf = createReportGrowth((report) => {
    const ageMs = Date.parse(report.at) - Date.parse(report.started_at)
    return ageMs <= Math.min(YOUNG_RUN_MS, uptimeMs())
  })

  return {
    record(report: RouterReport): void {
      const at = now()
      for (const { cell, requests, errors, durations, durationSumMs } of growthsOf(report)) {
        const id = cellOf(cell.slot)
        if (id === undefined || requests === 0) continue
        metrics.record(id, at, {
          requests,
          good: requests - errors,
          inFlight: 0,
          latencySumMs: durationSumMs,
          latencies: durations,
        })
      }
    },
    /** What is under way at each cell, at all routers together; to be called each second. */
    recordLevels(inFlightBySlot: ReadonlyMap<number, number>): void {
      const at = now()
      for (const [slot, inFlight] of inFlightBySlot) {
        const id = cellOf(slot)
        if (id === undefined) continue
        metrics.record(id, at, { requests: 0, good: 0, inFlight, latencySumMs: 0, latencies: [] })
      }
    },
  }
}
