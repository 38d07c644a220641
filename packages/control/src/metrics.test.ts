import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createHeavyHitters, type RouterFigures } from '@cellplane/core'
import { lintMetrics, whyNoPromtool } from '@cellplane/testing'
import { createMetrics } from './metrics.ts'
import { TENANT_SERIES_MAX } from './tenants/tenant-series.ts'

const TENANTS = 1_000_000
/** What a router reports at most of each kind. */
const REPORTED_MAX = 32

/** A router at which each of the tenants sent one request, but one of them a thousand. */
function figuresOf(tenants: number): RouterFigures {
  const cost = createHeavyHitters()
  for (let nth = 0; nth < tenants; nth++) cost.add(`tenant-${nth}`, 0, 1, 0)
  cost.add('tenant-heavy', 0, 100_000, 0)
  const costly = cost.read(REPORTED_MAX, 0).tenants.map(({ tenant, count, cells }) => ({
    tenant,
    attempts: tenant === 'tenant-heavy' ? 1_000 : 1,
    ms: count,
    cells: cells.map((cell) => ({ slot: cell.slot, ms: cell.count })),
  }))
  return {
    cells: [{ slot: 0, attempts: tenants + 1_000, errors: 7 }],
    failing: [{ tenant: 'tenant-heavy', attempts: 1_000, errors: 5, cells: [{ slot: 0, errors: 5 }] }],
    charged: [],
    costly,
  }
}

function pageOf(figures: readonly RouterFigures[]): Promise<string> {
  const metrics = createMetrics({
    isLeader: () => true,
    base: () => ({ epoch: 1, version: 2 }),
    overlay: () => null,
    automation: () => ({ is_frozen: false, problems: [] }),
    quarantined: () => 0,
    subscribers: () => 0,
    healths: () => [],
    tenantFigures: () => figures,
  })
  metrics.request('getStatus', 200)
  metrics.invalidRow('cells')
  metrics.ignoredReport('router')
  return metrics.text()
}

test('a million tenants make no more series than a constant, and none is left out of the sum', async () => {
  const page = await pageOf([figuresOf(TENANTS)])
  const series = Array.from(
    page.matchAll(/^cellplane_tenant_recent_requests\{tenant="(.*)"\} (\d+)$/gm),
    ([, tenant, count]) => [tenant!, Number(count)] as const,
  )
  assert.ok(series.length <= TENANT_SERIES_MAX + 1, `${series.length} series`)
  const requests = new Map(series)
  assert.equal(requests.get('tenant-heavy'), 1_000)
  assert.equal(
    [...requests.values()].reduce((sum, count) => sum + count),
    TENANTS + 1_000,
  )
  assert.match(page, /^cellplane_tenant_recent_errors\{tenant="tenant-heavy"\} 5$/m)
  assert.match(page, /^cellplane_tenant_recent_errors\{tenant="other"\} 2$/m)
})

test('a tenant that is called other is one of the others', async () => {
  const [named] = [figuresOf(0)]
  const page = await pageOf([{ ...named, costly: [{ tenant: 'other', attempts: 3, ms: 1, cells: [] }] }])
  assert.match(page, /^cellplane_tenant_recent_requests\{tenant="other"\} 1000$/m)
})

test('names, units and types are as Prometheus wants them', { skip: whyNoPromtool() ?? false }, async () => {
  assert.equal(lintMetrics(await pageOf([figuresOf(100)])), '')
  assert.match(lintMetrics('# HELP a_ms x\n# TYPE a_ms counter\na_ms 1\n'), /_total/)
})
