import assert from 'node:assert/strict'
import { readFileSync, statSync } from 'node:fs'
import { createServer, type RequestListener } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import type { CellView } from '@cellplane/contract'
import type { FleetStatus, SloState } from '@cellplane/contract/api'
import { createProgram } from '../program.ts'
import { makeFolder } from '../testing.ts'

const CELL: CellView = {
  ...{ id: 'cell-001', slot: 1, role: 'serving', state: 'active', state_since: '2026-01-01T00:00:00.000Z' },
  ...{ region: 'local', zone: 'a', stage: 'dev', provider: 'x', account: 'x', host: 'local', dns_names: [] },
  ...{ capacity: {}, weight: 1, release: 'dev', endpoint: 'http://127.0.0.1:7500', stores: [] },
  ...{ components: [], price_per_hour: null, health: 'healthy', health_reason: '', holdings: null },
  problem: null,
}
const STATUS: FleetStatus = {
  ...{ fleet: 'shop', kind: 'stateless', epoch: 1, base: null, overlay: null, tenants: 3, cells: [] },
  ...{ automation: { is_frozen: false, reason: '', problems: [] }, hosts: [], blast_radius: null },
  routers: [
    {
      ...{ router: 'router-1', is_reporting: true, last_report_at: '2026-01-01T00:00:00.000Z', base: null },
      ...{ overlay: null, refused_documents: 0, last_refusal: null },
    },
  ],
}
const SLOS: SloState = {
  ...{ evaluated_at: null, cells: [], alerts: [] },
  objectives: [
    {
      ...{ name: 'checkout', indicator: 'availability', target: 0.995, period_seconds: 7 * 86_400 },
      ...{ threshold_ms: null, threshold_share: null },
    },
    {
      ...{ name: 'room', indicator: 'saturation', target: 0.99, period_seconds: 7 * 86_400 },
      ...{ threshold_ms: null, threshold_share: 0.9 },
    },
  ],
}
const ANSWERS: Record<string, unknown> = {
  '/v1/status': STATUS,
  '/v1/cells': { cells: [CELL] },
  '/v1/slos': SLOS,
}

async function startControl(t: TestContext): Promise<string> {
  const answer: RequestListener = (request, response) =>
    response
      .writeHead(200, { 'content-type': 'application/json' })
      .end(JSON.stringify(ANSWERS[request.url ?? '']))
  const server = createServer(answer)
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  t.after(() => server.close())
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`
}

/** Runs the command in this process, without what it prints. */
async function observe(t: TestContext, url: string, ...more: string[]): Promise<string> {
  const folder = await makeFolder(t)
  process.env['CELLPLANE_TOKEN'] = 'a-token-that-is-written-nowhere'
  t.after(() => delete process.env['CELLPLANE_TOKEN'])
  t.mock.method(process.stdout, 'write', () => true)
  const line = ['observability', 'export', '--out', join(folder, 'new'), '--url', url, ...more]
  try {
    await createProgram('0.0.0').parseAsync(line, { from: 'user' })
  } finally {
    t.mock.restoreAll()
  }
  return join(folder, 'new')
}

test('what the control plane knows becomes configuration, readable by those who run Prometheus', async (t) => {
  const url = await startControl(t)
  const folder = await observe(t, url, '--router', 'router-1=http://10.0.0.5:7401', '--webhook', 'http://h/w')
  const text = (path: string) => readFileSync(join(folder, path), 'utf8')
  assert.match(text('rules/shop.slo-checkout.yml'), /\(1 - 0\.995\) > 3\.36/)
  assert.match(text('rules/shop.slo-room.yml'), /cell_saturation_ratio_bucket\{fleet="shop",le="0\.9"\}/)
  assert.match(text('targets/routers.json'), /"10\.0\.0\.5:7401"/)
  assert.match(text('targets/cells.json'), /"cell": "cell-001"/)
  assert.match(text('targets/control.json'), new RegExp(new URL(url).host))
  assert.match(text('alertmanager.yml'), /url: http:\/\/h\/w/)
  assert.equal(statSync(join(folder, 'prometheus.yml')).mode & 0o777, 0o644)
  assert.match(text('dashboards/shop-fleet.json'), /"title": "shop: fleet"/)
})

test('routers of a fleet elsewhere have to be named; those that report are told', async (t) => {
  const url = await startControl(t)
  await assert.rejects(observe(t, url), {
    code: 'ROUTERS_UNKNOWN',
    message: /--router NAME=URL \(router-1\)/,
  })
  await assert.rejects(observe(t, url, '--router', 'router-1'), /Expected NAME=URL/)
})
