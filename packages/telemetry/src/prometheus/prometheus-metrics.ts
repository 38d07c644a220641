/**
 * The questions of `FleetMetrics` as PromQL, to a Prometheus that scrapes the routers. One question is one query over
 * all cells, with the indicators of the exported rules, of which none need be there.
 *
 * `increase` counts across restarts of a router, and is drawn out to the window's ends where scrapes do not meet them;
 * so its counts are not whole, and differ from the rolling store's by up to a scrape's worth of traffic.
 */
import type { Counts } from '@cellplane/core'
import { indicatorOf } from '../export/indicators.ts'
import {
  AVAILABILITY,
  type FleetMetrics,
  type Indicator,
  type Latencies,
  MEASURED_SECONDS,
  type Window,
} from '../fleet-metrics.ts'
import { LATENCY_BOUNDS_S } from '../rolling/columns.ts'
import { createAsk, type PrometheusOptions, type Series } from './ask.ts'
import { rememberPastDays } from './past-days.ts'
import { DURATIONS_SERIES, IN_FLIGHT_SERIES } from './series.ts'
import { shareUnderWay } from './share-under-way.ts'

/** An increase needs two scrapes in its window: these are of 30 s at most. */
const STEP_SECONDS = 60
/** Of in-flight levels, in a window: often enough to see a peak that lasts. */
const LEVEL_STEP_SECONDS = 10
const BOUNDS = [...LATENCY_BOUNDS_S, Number.POSITIVE_INFINITY]
/** Of a range, so much is asked for at once: a month of scrapes is more than one query may read. */
const RANGE_SECONDS_MAX = 86_400
/** Who was there longer ago than this, and is no more, is not waited for. */
const REMEMBERED_SECONDS = 86_400
/** The label that tells the two sums of a query apart. */
const OF = 'of'
type Of = 'all' | 'bad'

export type PrometheusMetrics = FleetMetrics & {
  /**
   * Whether each router that was scraped at `since`, a day before the window's end at most, was so in each minute of the
   * window as well. `since` in ms since the epoch.
   */
  isMeasuredByAll(window: Window, since: number): Promise<boolean>
}

/**
 * `fleet`: whose series are asked for, by their label of this name; two fleets that share a Prometheus both have a
 * cell-001. Questions reject with `MetricsUnavailable`. Each of these has a line of its own for its questions.
 */
export function createPrometheusMetrics(options: PrometheusOptions & { fleet: string }): PrometheusMetrics {
  const ask = shareUnderWay(createAsk(options))
  const select = (series: string) => `${series}{fleet=${JSON.stringify(options.fleet)}}`
  const instant = (query: string, until: number) => ask('query', { query, time: String(until / 1000) })

  async function perCell(query: string, until: number): Promise<Map<string, number>> {
    return new Map((await instant(query, until)).map((series) => [cellOf(series.metric), valueNow(series)]))
  }

  /** All requests of an indicator and the bad ones, by cell. */
  function allAndBad(indicator: Indicator, seconds: number): string {
    const { total, bad } = indicatorOf(options.fleet, indicator)
    const window = `${Math.round(seconds)}s`
    const marked = (sum: string, of: Of) => `label_replace(${sum}, "${OF}", "${of}", "", "")`
    return `${marked(total('increase', window), 'all')} or ${marked(bad('increase', window), 'bad')}`
  }

  const counts = rememberPastDays(async ({ until, seconds }, indicator) => {
    const series = await instant(allAndBad(indicator, seconds), until)
    const bad = sumsOf(series, 'bad', valueNow)
    const all = sumsOf(series, 'all', valueNow)
    return new Map([...all].map(([cell, total]) => [cell, countsOf(total, bad.get(cell))]))
  })

  const levels = select(IN_FLIGHT_SERIES)
  /** Each router of which the last minute can be told, by whatever labels its scrapes have. A figure needs two scrapes. */
  const scraped = `sum without (cell) (count_over_time(${levels}[${MEASURED_SECONDS}s]) > 1)`

  /** Whether the query has something in each minute of the window. */
  async function isInEachMinute(query: string, { until, seconds }: Window): Promise<boolean> {
    const steps = Math.ceil(seconds / MEASURED_SECONDS)
    const series = await ask('query_range', { query, ...rangeOf(until, steps, MEASURED_SECONDS) })
    return series[0]?.values.length === steps
  }

  return {
    stepSeconds: STEP_SECONDS,
    counts: (window, indicator = AVAILABILITY) => counts(window, indicator),
    async latencies({ until, seconds }) {
      const [buckets, sums] = await Promise.all([
        instant(increaseOf(select(`${DURATIONS_SERIES}_bucket`), seconds, 'cell, le'), until),
        perCell(increaseOf(select(`${DURATIONS_SERIES}_sum`), seconds), until),
      ])
      const found = new Map<string, number[]>()
      for (const bucket of buckets) {
        const { metric } = bucket
        const row = found.get(cellOf(metric)) ?? BOUNDS.map(() => 0)
        const le = metric['le'] === '+Inf' ? Number.POSITIVE_INFINITY : Number(metric['le'])
        // Of a bucket that was dropped on the way, the next one below says the least there was.
        for (const [nth, bound] of BOUNDS.entries()) {
          if (bound >= le) row[nth] = Math.max(row[nth]!, valueNow(bucket))
        }
        found.set(cellOf(metric), row)
      }
      return new Map(
        [...found].map(([cell, counts]): [string, Latencies] => [
          cell,
          { counts, sumSeconds: sums.get(cell) ?? 0 },
        ]),
      )
    },
    inFlightMax({ until, seconds }) {
      const level = `sum by (cell) (${select(IN_FLIGHT_SERIES)})`
      return perCell(`max_over_time((${level})[${seconds - 1}s:${LEVEL_STEP_SECONDS}s])`, until)
    },
    async countsOverTime(window, stepSeconds, indicator = AVAILABILITY) {
      const steps = Math.ceil(window.seconds / stepSeconds)
      const query = allAndBad(indicator, stepSeconds)
      const parts = partsOf(window.until, steps, stepSeconds).map(
        async (range) => await ask('query_range', { query, ...range }),
      )
      const series = joined(await Promise.all(parts))
      const rowOf = placedIn(window, steps, stepSeconds)
      const bad = sumsOf(series, 'bad', rowOf)
      return new Map(
        [...sumsOf(series, 'all', rowOf)].map(([cell, row]): [string, Counts[]] => [
          cell,
          row.map((total, nth) => countsOf(total, bad.get(cell)?.[nth])),
        ]),
      )
    },
    async isMeasured(window) {
      return await isInEachMinute(`count(${scraped})`, window)
    },
    async isMeasuredByAll(window, since) {
      // The minutes before and after: of trouble the begin is known to a scrape or two.
      const at = Math.max(since / 1_000 + MEASURED_SECONDS, window.until / 1_000 - REMEMBERED_SECONDS)
      const then = `sum without (cell) (last_over_time(${levels}[${2 * MEASURED_SECONDS}s] @ ${at}))`
      return await isInEachMinute(`count(${scraped}) unless on () (${then} unless ${scraped})`, window)
    },
  }
}

/** `increase` is drawn out for each sum by itself, so the bad ones may be a little more than all, or less than none. */
const countsOf = (total: number, bad = 0): Counts => ({
  total,
  good: Math.min(total, Math.max(0, total - bad)),
})

/** By cell, of the series that are marked so. */
const sumsOf = <T>(series: readonly Series[], of: Of, read: (one: Series) => T) =>
  new Map(
    series
      .filter(({ metric }) => metric[OF] === of)
      .map((one): [string, T] => [cellOf(one.metric), read(one)]),
  )

const increaseOf = (selector: string, seconds: number, by = 'cell') =>
  `sum by (${by}) (increase(${selector}[${seconds}s]))`

/** Ranges of a day at most, or of one step, that together are so many steps until then. */
function partsOf(until: number, steps: number, stepSeconds: number): Record<string, string>[] {
  const length = Math.max(1, Math.floor(RANGE_SECONDS_MAX / stepSeconds))
  const parts: Record<string, string>[] = []
  for (let left = steps; left > 0; left -= length) {
    const end = until - (steps - left) * stepSeconds * 1_000
    parts.push(rangeOf(end, Math.min(left, length), stepSeconds))
  }
  return parts
}

/** One series of each that the parts have: the same steps are in no two of them. */
function joined(parts: readonly (readonly Series[])[]): Series[] {
  const found = new Map<string, Series>()
  for (const one of parts.flat()) {
    const key = `${one.metric[OF]} ${cellOf(one.metric)}`
    const before = found.get(key)?.values ?? []
    found.set(key, { metric: one.metric, values: [...before, ...one.values] })
  }
  return [...found.values()]
}

function rangeOf(until: number, steps: number, stepSeconds: number): Record<string, string> {
  const end = until / 1000
  return { start: String(end - (steps - 1) * stepSeconds), end: String(end), step: String(stepSeconds) }
}

/** A series' values in the places of their steps; 0 where it has none. */
function placedIn({ until }: Window, steps: number, stepSeconds: number): (series: Series) => number[] {
  const first = until / 1000 - (steps - 1) * stepSeconds
  return ({ values }) => {
    const row = new Array<number>(steps).fill(0)
    for (const [at, value] of values) row[Math.round((at - first) / stepSeconds)] = value
    return row
  }
}

const cellOf = (metric: Series['metric']) => metric['cell'] ?? ''
/** Of an instant. */
const valueNow = ({ values: [point] }: Series): number => point![1]
