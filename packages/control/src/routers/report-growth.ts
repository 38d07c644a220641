/**
 * How the counters of routers' reports grew from one to the next. They run since a router's start, so a lost report loses
 * nothing, and one that was restarted begins again from zero.
 */
import type { RouterReport } from '@cellplane/contract'
import { ROUTERS_MAX } from './router-reports.ts'

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
}

/**
 * `countsWhole` says of a router's first report whether all that it counted so far is to be taken: it may be hours old.
 * Remembers as many routers as their reports are kept of, the latest.
 */
export function createReportGrowth(countsWhole: (report: RouterReport) => boolean) {
  const lastOf = new Map<string, { startedAt: string; cells: Map<number, Counters> }>()

  return (report: RouterReport): Growth[] => {
    const before = lastOf.get(report.router)
    const isSameRun = before?.startedAt === report.started_at
    lastOf.delete(report.router)
    if (lastOf.size >= ROUTERS_MAX) lastOf.delete(lastOf.keys().next().value!)
    lastOf.set(report.router, {
      startedAt: report.started_at,
      cells: new Map(report.cells.map((cell) => [cell.slot, cell])),
    })
    if (!before && !countsWhole(report)) return []
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
  }
}
