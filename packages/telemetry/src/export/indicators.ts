/**
 * Indicators as PromQL: requests to a cell, and those of them that were bad, of one objective. Both are summed over
 * routers, by cell: an average over the fleet would hide one bad cell of sixteen.
 */
import { BAD_CODE_CLASSES, DURATIONS_SERIES, REQUESTS_SERIES } from '../prometheus/series.ts'
import type { MonitoredSlo } from './monitored-fleet.ts'

export type Indicator = {
  /** Per cell, of a function over a window: `rate` or `increase`. */
  total(over: 'rate' | 'increase', window: string): string
  bad(over: 'rate' | 'increase', window: string): string
}

export function indicatorOf(fleet: string, slo: MonitoredSlo): Indicator {
  const sum = (over: string, series: string, selector: string, window: string) =>
    `sum by (cell) (${over}(${series}{fleet="${fleet}"${selector}}[${window}]))`
  if (slo.thresholdMs === null) {
    const bad = `,code_class=~"${BAD_CODE_CLASSES.join('|')}"`
    return {
      total: (over, window) => sum(over, REQUESTS_SERIES, '', window),
      bad: (over, window) => sum(over, REQUESTS_SERIES, bad, window),
    }
  }
  const inTime = `,${leSelector(slo.thresholdMs / 1000)}`
  const total = (over: string, window: string) => sum(over, `${DURATIONS_SERIES}_count`, '', window)
  return {
    total,
    bad: (over, window) =>
      `${total(over, window)} - ${sum(over, `${DURATIONS_SERIES}_bucket`, inTime, window)}`,
  }
}

/** Routers write `le="1"`; Prometheus from 3.0 on keeps it as `1.0`. */
function leSelector(seconds: number): string {
  return Number.isInteger(seconds) ? `le=~"${seconds}|${seconds}[.]0"` : `le="${seconds}"`
}
