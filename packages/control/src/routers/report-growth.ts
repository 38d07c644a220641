/**
 * How the counters of routers' reports grew from one to the next. They run since a router's start, so a lost report loses
 * nothing, and one that was restarted begins again from zero.
 *
 * Growth is taken for what happens now, so it may not be of a time that is long over: after a gap (a router was cut off, a
 * replica takes the lease again that it had days ago) a report only sets the counters. Hours of errors, booked at once,
 * would page everybody in total calm.
 */
import type { RouterReport } from '@cellplane/contract'
import { REPORT_GAP_MS_MAX, ROUTERS_MAX } from './router-reports.ts'

type Counters = RouterReport['cells'][number]

/** Of one cell, since the report before. */
export type Growth = {
  /** As it was reported. */
  readonly cell: Counters
  readonly requests: number
  /** Never more than requests. */
  readonly errors: number
  readonly connectFailures: number
  readonly durations: readonly number[]
  readonly durationSumMs: number
  readonly saturation: readonly number[]
}

type Heard = { startedAt: string; heardAt: number; saidAt: number; cells: Map<number, Counters> }

/**
 * `countsWhole` says of the first report of a run, or of one after a gap, whether all that the run counted so far is to be
 * taken: it may be hours old. Remembers as many routers as their reports are kept of, the latest.
 */
export function createReportGrowth(countsWhole: (report: RouterReport) => boolean) {
  const lastOf = new Map<string, Heard>()

  /** `heardAt`: ms that never step back. */
  return (report: RouterReport, heardAt: number): Growth[] => {
    const before = lastOf.get(report.router)
    const isSameRun = before?.startedAt === report.started_at
    const saidAt = Date.parse(report.at)
    // By the router's own clock too, which went on where this process stood still.
    const countedMs = saidAt - (isSameRun ? before.saidAt : Date.parse(report.started_at))
    const isClose = before !== undefined && Math.max(heardAt - before.heardAt, countedMs) <= REPORT_GAP_MS_MAX
    lastOf.delete(report.router)
    if (lastOf.size >= ROUTERS_MAX) lastOf.delete(lastOf.keys().next().value!)
    lastOf.set(report.router, {
      ...{ startedAt: report.started_at, heardAt, saidAt },
      cells: new Map(report.cells.map((cell) => [cell.slot, cell])),
    })
    if (!isClose && (isSameRun || !countsWhole(report))) return []
    return report.cells.map((cell) => growthOf(cell, isSameRun ? before?.cells.get(cell.slot) : undefined))
  }
}

function growthOf(cell: Counters, before: Counters | undefined): Growth {
  // A counter that shrank is a router's mistake; it says nothing.
  const grown = (now: number, then = 0) => Math.max(0, now - then)
  const requests = grown(cell.requests, before?.requests)
  return {
    cell,
    requests,
    errors: Math.min(requests, grown(cell.errors, before?.errors)),
    connectFailures: grown(cell.connect_failures, before?.connect_failures),
    durations: (cell.durations ?? []).map((count, i) => grown(count, before?.durations?.[i])),
    durationSumMs: grown(cell.duration_sum_ms ?? 0, before?.duration_sum_ms),
    saturation: (cell.saturation ?? []).map((count, i) => grown(count, before?.saturation?.[i])),
  }
}
