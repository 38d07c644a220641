/** A Prometheus that answers every question, and has nothing of this fleet. */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { text } from 'node:stream/consumers'
import { type TestContext, test } from 'node:test'
import { DEFAULT_SLOS, type RouterReport } from '@cellplane/contract'
import type { CellHealth } from '@cellplane/core'
import { waitFor } from '@cellplane/testing'
import { createMemoryStore } from '../fixtures/memory-store.ts'
import { createRouterReports } from '../routers/router-reports.ts'
import { keptByPrometheus } from './kept-by-prometheus.ts'
import { startTelemetry } from './telemetry.ts'

const START = Date.UTC(2026, 0, 1)
const MINUTE = 60_000
const CELL = {
  ...{ slot: 0, requests: 100, errors: 100, connect_failures: 0, in_flight: 50, is_ejected: false },
}

function report(cells: RouterReport['cells']): RouterReport {
  const at = new Date(START).toISOString()
  return {
    ...{ router: 'router-1', started_at: at, at, base: null, overlay: null, cells, tenants: [] },
    ...{ refused_documents: 0, last_refusal: null },
  }
}

const answerOf = (resultType: string, ...result: object[]) =>
  JSON.stringify({ status: 'success', data: { resultType, result } })

async function serve(t: TestContext, answer: (query: URLSearchParams, response: ServerResponse) => void) {
  const server = createServer(async (request, response) =>
    answer(new URLSearchParams(await text(request)), response),
  )
  await once(server.listen(0, '127.0.0.1'), 'listening')
  t.after(() => {
    server.closeAllConnections()
    server.close()
  })
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  return { url, keeper: keptByPrometheus({ url, fleet: 'mine' }) }
}

test('is a problem after five minutes in which routers reported cells, until something is measured', async (t) => {
  let isScraped = false
  const { url, keeper } = await serve(t, (query, response) => {
    const measured = { metric: {}, values: [[Number(query.get('end')), '1']] }
    response.end(answerOf('matrix', ...(isScraped ? [measured] : [])))
  })
  let at = START
  const lookFor = async (ms: number, cells: RouterReport['cells']) => {
    let why: string | null = null
    for (const end = at + ms; at < end; ) {
      at += 10_000
      keeper.record(report(cells))
      why = await keeper.whyUnmeasured(at)
    }
    return why
  }
  assert.equal(await lookFor(10 * MINUTE, []), null, 'there is nothing to measure')
  assert.equal(await lookFor(5 * MINUTE, [CELL]), null)
  const why = await lookFor(MINUTE, [CELL])
  assert.ok(why?.startsWith(`routers report, and the Prometheus at ${url} has measured nothing of them`))
  assert.match(why ?? '', /at most 30 s apart, and whether the series have the label fleet="mine"/)
  isScraped = true
  assert.equal(await lookFor(10_000, [CELL]), null)
})

test('the look at objectives tells it, and that it is over', async (t) => {
  let isScraped = false
  const { url } = await serve(t, (query, response) => {
    const end = query.get('end')
    const measured = { metric: {}, values: [[Number(end), '1']] }
    response.end(end === null ? answerOf('vector') : answerOf('matrix', ...(isScraped ? [measured] : [])))
  })
  let at = START
  const told: (string | null)[] = []
  const routers = createRouterReports(() => at)
  const telemetry = startTelemetry({
    ...{ fleet: 'mine', slos: DEFAULT_SLOS, store: createMemoryStore(), prometheus: { url } },
    observations: { routers, healthOf: () => ({ verdict: 'healthy', reason: '' }) as CellHealth },
    ...{ cellOf: () => 'cell-001', journalDir: undefined, onAlerts() {}, onJournal() {} },
    onBlind: (reason) => void told.push(reason),
    ...{ logger: { info() {}, warn() {} }, now: () => at, steadyNow: () => at },
  })
  const stopping = new AbortController()
  const ended = telemetry.lead(stopping.signal)
  const minutesUntil = async (what: string, count: number) =>
    await waitFor(what, 30_000, () => {
      at += MINUTE
      telemetry.record(report([CELL]))
      return told.length === count
    })
  await minutesUntil('the problem', 1)
  assert.match(told[0]!, /^routers report, and the Prometheus at /)
  isScraped = true
  await minutesUntil('its end', 2)
  assert.equal(told[1], null)
  stopping.abort()
  await ended
})

test('people’s questions are in another line than those of the watch', async (t) => {
  const held: ServerResponse[] = []
  const { keeper } = await serve(t, (query, response) => {
    if (query.get('query')?.includes('300s')) response.end(answerOf('vector'))
    else held.push(response)
  })
  const window = (seconds: number) => ({ until: START, seconds })
  const reports = Array.from({ length: 20 }, (_, nth) => keeper.metrics.counts(window(600 + nth)))
  await waitFor('the first of them', 10_000, () => held.length === 4)
  assert.equal((await keeper.windows.counts(window(300))).size, 0)
  assert.equal((await keeper.watched.counts(window(300))).size, 0)
  for (let answered = 0; answered < reports.length; ) {
    await waitFor('the next ones', 10_000, () => held.length > 0)
    answered += held.length
    for (const one of held.splice(0)) one.end(answerOf('vector'))
  }
  assert.equal((await Promise.all(reports)).length, 20)
})
