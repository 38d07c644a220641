import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Cell } from '../cells/cell.ts'
import type { RoutingView } from './routing-view.ts'
import { createTenants, linesTo, type TenantShard } from './tenants.ts'

test('counts are exact while there is room, busiest first, and begin anew when taken', () => {
  const tenants = createTenants(10)
  for (const key of ['a', 'b', 'b', 'b', 'c', 'c']) tenants.count(tenants.of(key), key === 'c')
  assert.deepEqual(tenants.takeBusiest(2), [
    { tenant: 'b', requests: 3, errors: 0 },
    { tenant: 'c', requests: 2, errors: 2 },
  ])
  assert.deepEqual(tenants.takeBusiest(2), [])
})

test('a busy tenant is not forgotten among any number of others, and memory stays bounded', () => {
  const tenants = createTenants(20)
  for (let i = 0; i < 5_000; i++) {
    tenants.count(tenants.of(`one-time-${i}`), false)
    if (i % 10 === 0) tenants.count(tenants.of('busy'), false)
    assert.ok(tenants.size <= 20)
  }
  assert.equal(tenants.takeBusiest(1_000).find(({ tenant }) => tenant === 'busy')!.requests, 500)
})

test('a source is no tenant: it is not reported, and no key is taken for one', () => {
  const tenants = createTenants(10)
  const source = tenants.ofSource('127.0.0.1')
  tenants.count(source, false)
  assert.equal(source.isTenant, false)
  assert.notEqual(tenants.of('source:127.0.0.1'), source)
  assert.deepEqual(tenants.takeBusiest(10), [])
})

test('a request that began before a topology change tells each cell its own name, secret and role', () => {
  const ids = ['cell-a', 'cell-b', 'cell-c']
  const cells = ids.map((id, index) => ({ id, index, secret: `secret of ${id}` }) as Cell)
  const view = { cells, snapshot: { cells: ids.map((id) => ({ id })) } } as unknown as RoutingView
  const shard = {
    home: 1,
    cells: [1, 2],
    view,
    generation: 3,
    isSuspended: false,
    lines: new Map(),
  } as unknown as TenantShard
  const tenant = createTenants(1).of('tenant')
  const [a, b, c] = cells as [Cell, Cell, Cell]
  const linesToHome = linesTo(b, tenant, shard)

  a.index = -1
  b.index = 0
  c.index = 1
  const linesToAlternate = linesTo(c, tenant, shard)
  assert.match(linesToAlternate, /cell-c\r\n/)
  assert.match(linesToAlternate, /: alternate\r\n/)
  assert.match(linesToAlternate, /: secret of cell-c\r\n/)
  assert.equal(linesTo(b, tenant, shard), linesToHome)
  assert.match(linesToHome, /: home\r\n/)
})

test('when there is a new view nobody keeps the old one', () => {
  const tenants = createTenants(10)
  for (const tenant of [tenants.of('a'), tenants.ofSource('127.0.0.1')]) tenant.shard = {} as TenantShard
  tenants.forgetShards()
  assert.equal(tenants.of('a').shard, null)
  assert.equal(tenants.ofSource('127.0.0.1').shard, null)
})
