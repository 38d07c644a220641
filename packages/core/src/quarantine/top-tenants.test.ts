import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { RouterFigures } from './evidence.ts'
import { topTenants } from './top-tenants.ts'

const router: RouterFigures = {
  cells: [],
  failing: [{ tenant: 'a', attempts: 10, errors: 4, cells: [{ slot: 1, errors: 4 }] }],
  charged: [{ tenant: 'b', attempts: 3, isSuspended: true, crashes: [{ slot: 2, at: 0, sentMsBefore: 1 }] }],
  costly: [
    { tenant: 'c', attempts: 50, ms: 900, cells: [{ slot: 0, ms: 900 }] },
    { tenant: 'a', attempts: 10, ms: 300, cells: [{ slot: 3, ms: 300 }] },
  ],
}

test('figures of all routers add up, attempts once for each router, and crashes are not counted twice', () => {
  const both = [router, router]
  assert.deepEqual(topTenants(both, 'errors', 10), [
    { tenant: 'a', attempts: 20, errors: 8, crashes: 0, isSuspended: false, costMs: 600, slots: [1, 3] },
  ])
  assert.deepEqual(
    topTenants(both, 'cost', 10).map(({ tenant, costMs }) => [tenant, costMs]),
    [
      ['c', 1_800],
      ['a', 600],
    ],
  )
  const [b] = topTenants(both, 'crashes', 10)
  assert.deepEqual([b!.tenant, b!.crashes, b!.isSuspended], ['b', 1, true])
  assert.equal(topTenants(both, 'cost', 1).length, 1)
})
