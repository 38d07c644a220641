/**
 * Indicators as PromQL: requests to a cell, and those of them that were bad, of one objective. Both are summed over
 * routers, by cell: an average over the fleet would hide one bad cell of sixteen.
 *
 * Good ones of a histogram are in the bucket of the threshold. Where relabelling drops that bucket none are seen to be
 * good, so that all count as bad: an objective that nobody can measure is loud, and not met for ever.
 */
import {
  BAD_CODE_CLASSES,
  DURATIONS_SERIES,
  REQUESTS_SERIES,
  SATURATION_SERIES,
} from '../prometheus/series.ts'
import type { MonitoredIndicator } from './monitored-fleet.ts'

export type IndicatorSums = {
  /** Per cell, of a function over a window: `rate` or `increase`. */
  total(over: 'rate' | 'increase', window: string): string
  bad(over: 'rate' | 'increase', window: string): string
}

export function indicatorOf(fleet: string, of: MonitoredIndicator): IndicatorSums {
  const sum = (over: string, series: string, selector: string, window: string) =>
    `sum by (cell) (${over}(${series}{fleet="${fleet}"${selector}}[${window}]))`
  const above = (series: string, bound: number): IndicatorSums => {
    const total = (over: string, window: string) => sum(over, `${series}_count`, '', window)
    const upTo = `,${leSelector(bound)}`
    return {
      total,
      bad(over, window) {
        const all = total(over, window)
        return `${all} - (${sum(over, `${series}_bucket`, upTo, window)} or 0 * ${all})`
      },
    }
  }
  switch (of.indicator) {
    case 'latency':
      return above(DURATIONS_SERIES, of.threshold_ms / 1000)
    case 'saturation':
      return above(SATURATION_SERIES, of.threshold_share)
    case 'availability': {
      const bad = `,code_class=~"${BAD_CODE_CLASSES.join('|')}"`
      return {
        total: (over, window) => sum(over, REQUESTS_SERIES, '', window),
        bad: (over, window) => sum(over, REQUESTS_SERIES, bad, window),
      }
    }
  }
}

/** Routers write `le="1"`; Prometheus from 3.0 on keeps it as `1.0`. */
export function leSelector(bound: number): string {
  return Number.isInteger(bound) ? `le=~"${bound}|${bound}[.]0"` : `le="${bound}"`
}
