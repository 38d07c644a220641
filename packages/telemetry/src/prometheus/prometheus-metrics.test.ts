/** What no two backends share: how a Prometheus is asked, and what of it is taken for a measurement. */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { text } from 'node:stream/consumers'
import { type TestContext, test } from 'node:test'
import { startTestPrometheus, whyNoPrometheus } from '@cellplane/testing'
import { createPrometheusMetrics } from './prometheus-metrics.ts'
import { IN_FLIGHT_SERIES, REQUESTS_SERIES } from './series.ts'

const DAY = 86_400
const UNTIL = Date.UTC(2026, 2, 31, 12)
const skip = whyNoPrometheus() ?? false

/** Scrapes of a series from so long before `UNTIL` until so long before it, in seconds. */
function scrapes(series: string, every: number, from: number, until: number): string[] {
  const lines: string[] = []
  for (let ago = from; ago >= until; ago -= every)
    lines.push(`${series} ${from - ago} ${UNTIL / 1_000 - ago}`)
  return lines
}

async function prometheusWith(t: TestContext, ...series: string[][]) {
  const { url, stop } = await startTestPrometheus(`${series.flat().join('\n')}\n# EOF\n`)
  t.after(stop)
  return createPrometheusMetrics({ url, fleet: 'test' })
}

const levelOf = (router: string, cell: string) =>
  `${IN_FLIGHT_SERIES}{fleet="test",instance="${router}:9000",router="${router}",cell="${cell}"}`

test('a time is measured by all when no router of the beginning lacks in it', { skip }, async (t) => {
  const metrics = await prometheusWith(
    t,
    scrapes(levelOf('router-1', 'cell-001'), 10, 7_200, 1_800),
    // Its cell was retired meanwhile.
    scrapes(levelOf('router-2', 'cell-001'), 10, 7_200, 1_200),
    scrapes(levelOf('router-2', 'cell-002'), 10, 7_200, 0),
    scrapes(levelOf('router-3', 'cell-002'), 10, 900, 0),
  )
  const window = { until: UNTIL, seconds: 300 }
  const ago = (seconds: number) => UNTIL - seconds * 1_000
  assert.equal(await metrics.isMeasured(window), true)
  assert.equal(await metrics.isMeasuredByAll(window, ago(3_600)), false, 'router-1 saw it begin')
  assert.equal(await metrics.isMeasuredByAll(window, ago(1_500)), true, 'router-1 was gone before')
  assert.equal(await metrics.isMeasuredByAll({ until: ago(3_600), seconds: 300 }, ago(5_400)), true)
  assert.equal(await metrics.isMeasuredByAll({ until: ago(1_700), seconds: 300 }, ago(5_400)), false)
  const nextDay = { until: UNTIL, seconds: 300 }
  assert.equal(await metrics.isMeasuredByAll(nextDay, ago(DAY)), true, 'nobody was there')
  assert.equal(await metrics.isMeasuredByAll({ until: UNTIL + 600_000, seconds: 300 }, ago(1_500)), false)
})

test('one scrape a minute is no measurement, since no figure comes of it', { skip }, async (t) => {
  const metrics = await prometheusWith(
    t,
    scrapes(levelOf('router-1', 'cell-001'), 60, 7_200, 0),
    scrapes(`${IN_FLIGHT_SERIES}{fleet="another",cell="cell-001"}`, 10, 7_200, 0),
  )
  assert.equal(await metrics.isMeasured({ until: UNTIL - 5_000, seconds: 60 }), false)
})

test('steps of several days are those of one time, whichever query they came in', { skip }, async (t) => {
  const requests = (cell: string) => `${REQUESTS_SERIES}{fleet="test",cell="${cell}",code_class="2xx"}`
  const metrics = await prometheusWith(
    t,
    scrapes(requests('cell-001'), 300, 4 * DAY, 0),
    scrapes(requests('cell-late'), 300, 1.5 * DAY, 0),
  )
  const rows = await metrics.countsOverTime({ until: UNTIL, seconds: 4 * DAY }, DAY / 2)
  const shares = (cell: string) => rows.get(cell)!.map(({ total }) => Math.round((10 * total) / (DAY / 2)))
  assert.deepEqual(shares('cell-001'), [10, 10, 10, 10, 10, 10, 10, 10])
  assert.deepEqual(shares('cell-late'), [0, 0, 0, 0, 0, 10, 10, 10])
})

/** Stands for a Prometheus, and notes what it is asked. */
async function noting(t: TestContext) {
  const asked: URLSearchParams[] = []
  const server = createServer(async (request, response) => {
    asked.push(new URLSearchParams(await text(request)))
    const resultType = request.url?.endsWith('query') ? 'vector' : 'matrix'
    response.end(JSON.stringify({ status: 'success', data: { resultType, result: [] } }))
  })
  await once(server.listen(0, '127.0.0.1'), 'listening')
  t.after(() => {
    server.closeAllConnections()
    server.close()
  })
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  return { asked, metrics: createPrometheusMetrics({ url, fleet: 'test' }) }
}

test('no query of steps reads more than a day of scrapes', async (t) => {
  const { asked, metrics } = await noting(t)
  await metrics.countsOverTime({ until: UNTIL, seconds: 30 * DAY }, DAY / 2)
  const number = (one: URLSearchParams, name: string) => Number(one.get(name))
  // From the begin of its first step on.
  const spans = asked.map((one) => number(one, 'end') - number(one, 'start') + number(one, 'step'))
  assert.deepEqual(spans, Array<number>(30).fill(DAY))
  assert.equal(new Set(asked.map((one) => one.get('end'))).size, 30)
})

test('the days of a month go out once for all who ask for them at the same time', async (t) => {
  const { asked, metrics } = await noting(t)
  const month = { until: UNTIL, seconds: 30 * DAY }
  await Promise.all(Array.from({ length: 7 }, () => metrics.counts(month)))
  assert.equal(asked.length, 31)
})
