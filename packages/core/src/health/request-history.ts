/**
 * What routers reported of one cell over the last seconds, by the second: a sum that slides. Reports come once a second
 * from each router, so a second is as fine as it gets.
 */
import { HEALTH } from './numbers.ts'
import { NO_REQUESTS, type RequestWindow } from './requests.ts'

const SLICE_MS = 1_000
const SLICES = HEALTH.windowMs / SLICE_MS

type Slice = { slice: number; sums: RequestWindow }

export type RequestHistory = { slices: readonly Slice[] }

export const NO_HISTORY: RequestHistory = { slices: [] }

/** Adds what one router saw since its report before. `now` in ms, on a clock that does not step back. */
export function addToHistory(history: RequestHistory, seen: RequestWindow, now: number): RequestHistory {
  const slice = Math.floor(now / SLICE_MS)
  const kept = history.slices.filter((one) => one.slice > slice - SLICES)
  const last = kept.at(-1)
  if (last?.slice !== slice) return { slices: [...kept, { slice, sums: seen }] }
  return { slices: [...kept.slice(0, -1), { slice, sums: sum(last.sums, seen) }] }
}

export function readHistory({ slices }: RequestHistory, now: number): RequestWindow {
  const oldest = Math.floor(now / SLICE_MS) - SLICES
  return slices
    .filter(({ slice }) => slice > oldest)
    .reduce((total, { sums }) => sum(total, sums), NO_REQUESTS)
}

function sum(a: RequestWindow, b: RequestWindow): RequestWindow {
  const longer = a.durations.length >= b.durations.length ? a.durations : b.durations
  return {
    attempts: a.attempts + b.attempts,
    errors: a.errors + b.errors,
    errorsOfOneTenant: a.errorsOfOneTenant + b.errorsOfOneTenant,
    connectFailures: a.connectFailures + b.connectFailures,
    reports: a.reports + b.reports,
    ejectedReports: a.ejectedReports + b.ejectedReports,
    durations: longer.map((_, i) => (a.durations[i] ?? 0) + (b.durations[i] ?? 0)),
  }
}
