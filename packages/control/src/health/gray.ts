/**
 * Gray failures: a cell whose health path says 200 while the routers see its requests fail.
 *
 * Routers report counters since their start. Their growth is summed by the second, over a sliding window. A cell that
 * failed at least half of a window's requests is gray. Once it is marked, routers send it nothing and there is nothing
 * more to see; so a mark holds for a fixed time, and then the cell gets its chance, over the routers' ramp.
 *
 *     fine ──(≥ half of ≥ 20 requests failed in 10 s)──▶ gray ──(30 s)──▶ fine, with an empty window
 */
import type { RouterReport } from '@cellplane/contract'
import { ROUTERS_MAX } from '../routers/router-reports.ts'

const WINDOW_SECONDS = 10
/** Fewer requests say little: one failure of two is no pattern. */
const REQUESTS_MIN = 20
const FAILED_SHARE_MIN = 0.5
const HOLD_MS = 30_000

type Second = { second: number; requests: number; failures: number }
type Counters = Pick<RouterReport['cells'][number], 'requests' | 'errors' | 'connect_failures'>
/** `since` in ms since the epoch. */
export type GrayMark = { since: number; reason: string }

export type GrayDetector = ReturnType<typeof createGrayDetector>

/** `now` is in ms that never step back. Remembers as many routers as their reports are kept of, the latest; slots are bounded by their type. */
export function createGrayDetector() {
  const windows = new Map<number, Second[]>()
  const marks = new Map<number, GrayMark & { foundAt: number }>()
  const lastOf = new Map<string, { startedAt: string; counters: Map<number, Counters> }>()

  function add(slot: number, requests: number, failures: number, now: number): void {
    const second = Math.floor(now / 1000)
    const kept = (windows.get(slot) ?? []).filter((one) => one.second > second - WINDOW_SECONDS)
    const current = kept.at(-1)
    if (current?.second === second) {
      current.requests += requests
      current.failures += failures
    } else kept.push({ second, requests, failures })
    windows.set(slot, kept)
  }

  return {
    /** The first report of a router only sets its counters: they may be hours old. A report of a restarted one counts from zero. */
    record(report: RouterReport, now: number): void {
      const before = lastOf.get(report.router)
      const isSameRun = before?.startedAt === report.started_at
      for (const cell of before ? report.cells : []) {
        const old = isSameRun ? before?.counters.get(cell.slot) : undefined
        const requests = cell.requests - (old?.requests ?? 0)
        const failures = failuresOf(cell) - (old ? failuresOf(old) : 0)
        if (requests > 0 && failures >= 0) add(cell.slot, requests, Math.min(failures, requests), now)
      }
      lastOf.delete(report.router)
      if (lastOf.size >= ROUTERS_MAX) lastOf.delete(lastOf.keys().next().value!)
      lastOf.set(report.router, {
        startedAt: report.started_at,
        counters: new Map(report.cells.map((cell) => [cell.slot, cell])),
      })
    },
    /** The slot's mark, or undefined when it is fine. */
    judge(slot: number, now: number): GrayMark | undefined {
      const mark = marks.get(slot)
      if (mark) {
        if (now - mark.foundAt < HOLD_MS) return mark
        marks.delete(slot)
        windows.delete(slot)
        return undefined
      }
      const oldest = Math.floor(now / 1000) - WINDOW_SECONDS
      let requests = 0
      let failures = 0
      for (const one of windows.get(slot) ?? []) {
        if (one.second <= oldest) continue
        requests += one.requests
        failures += one.failures
      }
      if (requests < REQUESTS_MIN || failures < requests * FAILED_SHARE_MIN) return undefined
      const reason = `gray: its health path answers, but routers saw ${failures} of ${requests} requests fail within ${WINDOW_SECONDS} s`
      const found = { since: Date.now(), foundAt: now, reason }
      marks.set(slot, found)
      return found
    },
  }
}

/** `errors` counts failed attempts too; which of the two is larger depends on the router's version. */
function failuresOf(counters: Counters): number {
  return Math.max(counters.errors, counters.connect_failures)
}
