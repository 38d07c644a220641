/**
 * The questions of `FleetMetrics` as PromQL, to a Prometheus that scrapes the routers.
 *
 * `increase` counts across restarts of a router, and is drawn out to the window's ends where scrapes do not meet them;
 * so its counts are not whole, and differ from the rolling store's by up to a scrape's worth of traffic.
 */
import { formatProblems, type Parsed, parseWith } from '@cellplane/contract'
import { list, object, record } from '@cellplane/contract/schema'
import type { Counts } from '@cellplane/core'
import * as v from 'valibot'
import type { FleetMetrics, Latencies, Window } from '../fleet-metrics.ts'
import { BAD_CODE_CLASSES, DURATIONS_SERIES, IN_FLIGHT_SERIES, REQUESTS_SERIES } from './series.ts'

export type PrometheusOptions = {
  /** Base URL: `http://127.0.0.1:9090`. */
  url: string
  bearerToken?: string
  /** Whose series are asked for, by their label `fleet`; without it all of them, as if they were one fleet's. */
  fleet?: string
}

const QUERY_TIMEOUT_MS = 10_000
/** 1,000 cells × 16 buckets are 16,000 series of some 150 bytes. */
const ANSWER_BYTES_MAX = 16 * 1024 * 1024
/** Of in-flight levels, in a window: often enough to see a peak that lasts. */
const LEVEL_STEP_SECONDS = 10

const GOOD = `code_class!~"${BAD_CODE_CLASSES.join('|')}"`

const point = v.tuple([v.number(), v.string()])
const answerSchema = object({
  status: v.literal('success'),
  data: object({
    result: list(
      object({
        metric: record(v.string(), v.string()),
        value: v.optional(point),
        values: v.optional(list(point)),
      }),
    ),
  }),
})
type Series = v.InferOutput<typeof answerSchema>['data']['result'][number]

/** Rejects when the Prometheus does not answer, or answers something else: what found, what expected. */
export function createPrometheusMetrics({ url, bearerToken, fleet }: PrometheusOptions): FleetMetrics {
  const base = url.replace(/\/$/, '')
  // Two fleets that share a Prometheus both have a cell-001. A JSON string is a PromQL string.
  const ofFleet = fleet === undefined ? [] : [`fleet=${JSON.stringify(fleet)}`]
  const select = (series: string, ...matchers: string[]) =>
    `${series}{${[...ofFleet, ...matchers].join(',')}}`
  const requests = select(REQUESTS_SERIES)
  const goodRequests = select(REQUESTS_SERIES, GOOD)

  async function ask(path: string, parameters: Record<string, string>): Promise<Series[]> {
    const response = await fetch(`${base}/api/v1/${path}`, {
      method: 'POST',
      headers: bearerToken === undefined ? {} : { authorization: `Bearer ${bearerToken}` },
      body: new URLSearchParams(parameters),
      redirect: 'error',
      signal: AbortSignal.timeout(QUERY_TIMEOUT_MS),
    })
    const answer = parseAnswer(await readBounded(response))
    if (answer.ok) return answer.value.data.result
    throw new Error(
      `${base} answered ${response.status} to ${parameters['query']}: ${formatProblems(answer.problems)}`,
    )
  }

  const instant = (query: string, until: number) => ask('query', { query, time: String(until / 1000) })

  async function perCell(query: string, until: number): Promise<Map<string, number>> {
    return new Map(
      (await instant(query, until)).map(({ metric, value }) => [cellOf(metric), numberOf(value)]),
    )
  }

  return {
    async counts({ until, seconds }) {
      const [total, good] = await Promise.all([
        perCell(increaseOf(requests, seconds), until),
        perCell(increaseOf(goodRequests, seconds), until),
      ])
      return new Map([...total].map(([cell, count]) => [cell, { total: count, good: good.get(cell) ?? 0 }]))
    },
    async latencies({ until, seconds }) {
      const [buckets, sums] = await Promise.all([
        instant(increaseOf(select(`${DURATIONS_SERIES}_bucket`), seconds, 'cell, le'), until),
        perCell(increaseOf(select(`${DURATIONS_SERIES}_sum`), seconds), until),
      ])
      const found = new Map<string, { le: number; count: number }[]>()
      for (const { metric, value } of buckets) {
        const cell = cellOf(metric)
        const le = metric['le'] === '+Inf' ? Number.POSITIVE_INFINITY : Number(metric['le'])
        found.set(cell, [...(found.get(cell) ?? []), { le, count: numberOf(value) }])
      }
      return new Map(
        [...found].map(([cell, counts]): [string, Latencies] => [
          cell,
          {
            counts: counts.toSorted((a, b) => a.le - b.le).map(({ count }) => count),
            sumSeconds: sums.get(cell) ?? 0,
          },
        ]),
      )
    },
    inFlightMax({ until, seconds }) {
      const level = `sum by (cell) (${select(IN_FLIGHT_SERIES)})`
      return perCell(`max_over_time((${level})[${seconds - 1}s:${LEVEL_STEP_SECONDS}s])`, until)
    },
    async countsOverTime(window, stepSeconds) {
      const steps = Math.ceil(window.seconds / stepSeconds)
      const range = rangeOf(window, steps, stepSeconds)
      const [total, good] = await Promise.all([
        ask('query_range', { query: increaseOf(requests, stepSeconds), ...range }),
        ask('query_range', { query: increaseOf(goodRequests, stepSeconds), ...range }),
      ])
      const rowOf = placedIn(window, steps, stepSeconds)
      const goodOf = new Map(good.map((series) => [cellOf(series.metric), rowOf(series)]))
      return new Map(
        total.map((series): [string, Counts[]] => {
          const cell = cellOf(series.metric)
          return [
            cell,
            rowOf(series).map((count, nth) => ({ total: count, good: goodOf.get(cell)?.[nth] ?? 0 })),
          ]
        }),
      )
    },
  }
}

const increaseOf = (selector: string, seconds: number, by = 'cell') =>
  `sum by (${by}) (increase(${selector}[${seconds}s]))`

function rangeOf({ until }: Window, steps: number, stepSeconds: number): Record<string, string> {
  const end = until / 1000
  return { start: String(end - (steps - 1) * stepSeconds), end: String(end), step: String(stepSeconds) }
}

/** A series' values in the places of their steps; 0 where it has none. */
function placedIn({ until }: Window, steps: number, stepSeconds: number): (series: Series) => number[] {
  const first = until / 1000 - (steps - 1) * stepSeconds
  return ({ values = [] }) => {
    const row = new Array<number>(steps).fill(0)
    for (const [at, text] of values) row[Math.round((at - first) / stepSeconds)] = Number(text)
    return row
  }
}

const cellOf = (metric: Record<string, string>) => metric['cell'] ?? ''
const numberOf = (value: readonly [number, string] | undefined) => Number(value?.[1] ?? 0)

async function readBounded(response: Response): Promise<string> {
  const chunks: Uint8Array[] = []
  let bytes = 0
  for await (const chunk of response.body ?? []) {
    bytes += chunk.length
    if (bytes > ANSWER_BYTES_MAX) {
      throw new Error(`the answer has more than ${ANSWER_BYTES_MAX} bytes; ask for fewer steps`)
    }
    chunks.push(chunk)
  }
  return Buffer.concat(chunks).toString('utf8')
}

function parseAnswer(text: string): Parsed<v.InferOutput<typeof answerSchema>> {
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch {
    value = text.slice(0, 200)
  }
  return parseWith(answerSchema, value)
}
