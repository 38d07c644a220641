/**
 * Routers' reports → samples of each cell in the store of metrics. What a report says has grown since the one before is
 * taken as of now: reports come each second, and steps are of ten.
 *
 * Counts are of attempts at a cell, good when they were answered and not with a 5xx. A request that a ceiling of the cell
 * turned away is no attempt, and only in how full requests found the cell. The control plane's synthetic tenants ask
 * cells directly and never through a router, so they are in none of this.
 */
import type { RouterReport } from '@cellplane/contract'
import type { RollingStore, Sample } from '@cellplane/telemetry'
import { createReportGrowth } from '../routers/report-growth.ts'

export type TrafficOptions = {
  metrics: Pick<RollingStore, 'record'>
  /** Undefined for a slot that the topology does not have. */
  cellOf(slot: number): string | undefined
  /** Ms since the epoch. */
  now(): number
  /** Ms since this process began to listen, which never step back. */
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

  /** Cells for which the store had no room, since they were last asked for. Bounded by slots. */
  let unmeasured = new Set<string>()
  function put(cell: string, at: number, sample: Sample): void {
    if (!metrics.record(cell, at, sample)) unmeasured.add(cell)
  }

  return {
    record(report: RouterReport): void {
      const at = now()
      for (const growth of growthsOf(report, uptimeMs())) {
        const { cell, requests, errors, durations, durationSumMs, saturation } = growth
        const id = cellOf(cell.slot)
        // A cell that turns everybody away has requests and no attempts.
        if (id === undefined || (requests === 0 && saturation.every((count) => count === 0))) continue
        put(id, at, {
          requests,
          good: requests - errors,
          inFlight: 0,
          latencySumMs: durationSumMs,
          latencies: durations,
          saturation,
        })
      }
    },
    /** What is under way at each cell, at all routers together; to be called each second. */
    recordLevels(inFlightBySlot: ReadonlyMap<number, number>): void {
      const at = now()
      for (const [slot, inFlight] of inFlightBySlot) {
        const id = cellOf(slot)
        if (id === undefined) continue
        put(id, at, {
          ...{ requests: 0, good: 0, inFlight, latencySumMs: 0 },
          ...{ latencies: [], saturation: [] },
        })
      }
    },
    /** Cells of which something was reported, and could not be kept, since the last call. */
    takeUnmeasured(): ReadonlySet<string> {
      const found = unmeasured
      unmeasured = new Set()
      return found
    },
  }
}
