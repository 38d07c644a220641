import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { type RouterReport, routerReportSchema, SATURATION_SHARES } from '@cellplane/contract'
import { DURATION_BOUNDS_MS } from '@cellplane/core/data-plane'
import { lintMetrics, whyNoPromtool } from '@cellplane/testing'
import * as v from 'valibot'
import type { Router } from '../router.ts'
import { send } from '../testing/client.ts'
import { type FakeFleet, startFakeFleet } from '../testing/fake-fleet.ts'
import { until } from '../testing/wait.ts'

let fleet: FakeFleet
let router: Router
const admin = (path: string, method = 'GET') => send(router.adminPort, { path, method })

before(async () => {
  fleet = await startFakeFleet()
  router = await fleet.startRouter()
  await until('both documents', async () => (await admin('/status')).json.overlay)
})
after(() => fleet.stop())

test('metrics count by cell, in the Prometheus text format', async () => {
  fleet.cells[1]!.answer = (_seen, response) => response.writeHead(404).end()
  for (const tenant of [fleet.tenantOn(0, 1), fleet.tenantOn(0, 2), fleet.tenantOn(1, 0)]) {
    await send(router.port, { headers: ['x-tenant', tenant] })
  }
  const { status, headers, text } = await admin('/metrics')
  assert.equal(status, 200)
  assert.match(headers['content-type']!, /^text\/plain; version=0\.0\.4/)
  assert.match(text, /^cellplane_router_requests_total\{cell="cell-0",code_class="2xx"\} 2$/m)
  assert.match(text, /^cellplane_router_requests_total\{cell="cell-1",code_class="4xx"\} 1$/m)
  assert.match(text, /^cellplane_router_request_duration_seconds_bucket\{cell="cell-0",le="\+Inf"\} 2$/m)
  assert.match(text, /^cellplane_router_request_duration_seconds_count\{cell="cell-0"\} 2$/m)
  assert.match(text, /^cellplane_router_topology_version\{document="base"\} \d+$/m)
  assert.match(text, /^cellplane_router_topology_age_seconds\{document="overlay"\} \d/m)
  assert.match(text, /^cellplane_router_refused_documents_total\{document="base"\} 0$/m)
  assert.match(text, /^cellplane_router_in_flight 0$/m)
  const sample = /^[a-z_]+(\{[a-z_]+="[^"\\]*"(,[a-z_]+="[^"\\]*")*\})? [-+0-9.eInf]+$/
  for (const line of text.trimEnd().split('\n')) {
    assert.ok(line.startsWith('# HELP ') || line.startsWith('# TYPE ') || sample.test(line), line)
  }
  assert.doesNotMatch(text, /tenant-/)
})

test('names, units and types of metrics are as Prometheus wants them', {
  skip: whyNoPromtool() ?? false,
}, async () => {
  assert.equal(lintMetrics((await admin('/metrics')).text), '')
})

test('more tenants make no more series', async () => {
  const seriesOf = async () => (await admin('/metrics')).text.match(/^[^#].*(?= )/gm)
  const before = await seriesOf()
  for (let nth = 0; nth < 200; nth++) await send(router.port, { headers: ['x-tenant', `another-${nth}`] })
  assert.deepEqual(await seriesOf(), before)
})

test('an explanation says why a key goes where it goes', async () => {
  const key = fleet.tenantOn(2, 0)
  const { json } = await admin(`/explain?key=${key}`)
  assert.equal(json.source, 'table')
  assert.deepEqual(
    json.cells.map((cell: Record<string, unknown>) => [
      cell['cell'],
      cell['role'],
      cell['fitness'],
      cell['why'],
    ]),
    [
      ['cell-2', 'home', 1, 'fit'],
      ['cell-0', 'alternate', 1, 'fit'],
    ],
  )
  assert.match(json.explanation, /cell-2 is the first of them that is fit/)
  const empty = await admin('/explain?key=')
  assert.equal(empty.status, 400)
  assert.equal(empty.json.code, 'PARTITION_KEY_INVALID')
})

test('what it does not know it says so', async () => {
  assert.equal((await admin('/healthz')).status, 200)
  assert.equal((await admin('/nothing')).status, 404)
  assert.equal((await admin('/status', 'POST')).status, 405)
})

test('reports arrive by themselves, as the contract has them, with the busiest tenants', async () => {
  const tenant = fleet.tenantOn(0, 1)
  for (let i = 0; i < 5; i++) await send(router.port, { headers: ['x-tenant', tenant] })
  const countOf = ({ tenants }: RouterReport) => tenants.find((t) => t.tenant === tenant)?.requests ?? 0
  const { reports } = fleet.controlPlane
  await until('reports of five requests', () => reports.reduce((sum, r) => sum + countOf(r), 0) >= 5)
  const report = reports.at(-1)!
  assert.deepEqual(v.parse(routerReportSchema, report), report)
  assert.equal(report.router, 'router-1')
  const home = report.cells.find(({ slot }) => slot === 0)!
  assert.ok(home.requests >= 5)
  assert.equal(home.durations?.length, DURATION_BOUNDS_MS.length + 1)
  assert.ok(home.durations.reduce((sum, count) => sum + count, 0) >= 5)
  // One at a time, so each of them found the cell empty.
  assert.equal(home.saturation?.length, SATURATION_SHARES.length + 1)
  assert.ok(home.saturation[0]! >= 5)
})

test('the synthetic tenants’ names are refused from clients, and reach no cell', async () => {
  const headers = ['x-tenant', 'cellplane-synthetic-cell-0']
  const { status, json } = await send(router.port, { headers })
  assert.deepEqual([status, json.code], [400, 'PARTITION_KEY_INVALID'])
})

test('no log line holds a secret', () => {
  assert.doesNotMatch(fleet.logLines.join(''), /router-token-of|router-key-of/)
})
