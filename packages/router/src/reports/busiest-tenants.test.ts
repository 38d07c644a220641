import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createBusiestTenants } from './busiest-tenants.ts'

test('counts are exact while there is room, busiest first, and begin anew when taken', () => {
  const busiest = createBusiestTenants(10)
  for (const tenant of ['a', 'b', 'b', 'b', 'c', 'c']) busiest.count(tenant, tenant === 'c')
  assert.deepEqual(busiest.take(2), [
    { tenant: 'b', requests: 3, errors: 0 },
    { tenant: 'c', requests: 2, errors: 2 },
  ])
  assert.deepEqual(busiest.take(2), [])
})

test('a busy tenant is not missed among any number of others, and memory stays bounded', () => {
  const busiest = createBusiestTenants(20)
  for (let i = 0; i < 5_000; i++) {
    busiest.count(`one-time-${i}`, false)
    if (i % 10 === 0) busiest.count('busy', false)
  }
  const taken = busiest.take(1_000)
  assert.equal(taken.length, 20)
  assert.ok(taken.find(({ tenant }) => tenant === 'busy')!.requests >= 500)
})
