/** What routers saw of each cell over the last seconds, from how the counters of their reports grew. */
import type { RouterReport } from '@cellplane/contract'
import {
  addToHistory,
  NO_HISTORY,
  type RequestHistory,
  type RequestWindow,
  readHistory,
} from '@cellplane/core'
import { createReportGrowth, type Growth } from '../routers/report-growth.ts'

export type RouterEvidence = ReturnType<typeof createRouterEvidence>

/** `now` is in ms that never step back. Slots are bounded by their type. */
export function createRouterEvidence() {
  const histories = new Map<number, RequestHistory>()
  // The first report of a router only sets its counters: they may be hours old.
  const growthsOf = createReportGrowth(() => false)

  return {
    record(report: RouterReport, now: number): void {
      for (const growth of growthsOf(report, now)) {
        const { slot } = growth.cell
        histories.set(slot, addToHistory(histories.get(slot) ?? NO_HISTORY, evidenceOf(growth), now))
      }
    },
    windowOf: (slot: number, now: number): RequestWindow =>
      readHistory(histories.get(slot) ?? NO_HISTORY, now),
  }
}

function evidenceOf({ cell, requests, errors: failed, connectFailures, durations }: Growth): RequestWindow {
  // Errors have the failed connections in them.
  const errors = Math.max(0, failed - connectFailures)
  return {
    attempts: requests,
    errors,
    errorsOfOneTenant: errors * (cell.one_tenant_errors_share ?? 0),
    connectFailures,
    reports: 1,
    ejectedReports: cell.is_ejected ? 1 : 0,
    durations,
  }
}
