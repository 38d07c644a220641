import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createTenants } from './tenants.ts'

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
