import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { Cell } from '../cells/cell.ts'
import { admitTenant } from './admission.ts'
import type { RoutingView } from './routing-view.ts'
import { createTenants, type TenantShard } from './tenants.ts'
import { admitThrottled } from './throttle.ts'

const NOW = 1_000_000

/** A tenant whose home, the only cell, declares so many requests a second. */
function createGround(requestsPerSecond: number) {
  const tenants = createTenants(1)
  const cells = [{ declared: { requestsPerSecond } } as Cell]
  /** Its shard by a view that nobody has seen yet. */
  const freshShard = () =>
    ({
      home: 0,
      view: { cells, snapshot: { shardSize: 1 } } as unknown as RoutingView,
    }) as unknown as TenantShard
  return { tenants, tenant: tenants.of('acme'), freshShard }
}

/** How many of so many requests at one moment are let through. */
const admitted = (count: number, admit: () => boolean) =>
  Array.from({ length: count }, admit).filter(Boolean).length

describe('a tenant’s cap', () => {
  test('is there again as soon as a tiny share has risen, less what was let through', () => {
    const { tenants, tenant, freshShard } = createGround(10)
    const admit = () => admitTenant(freshShard().view, tenant, freshShard(), NOW)
    tenants.setShares(new Map([['acme', 1 / 6_000]]))
    assert.equal(admitted(5, admit), 1)
    tenants.setShares(new Map())
    assert.equal(admitted(20, admit), 9)
  })
})

describe('quarantine at home', () => {
  const SHARE = 0.5

  test('is not refilled by a new view', () => {
    const { tenant, freshShard } = createGround(20)
    const admit = () => admitThrottled(tenant, freshShard(), SHARE, NOW)
    assert.equal(admitted(20, admit), 10)
  })

  test('goes by the share that is current, in a view that stays', () => {
    const { tenants, tenant, freshShard } = createGround(20)
    const shard = freshShard()
    const admit = () => admitThrottled(tenant, shard, SHARE, NOW)
    tenants.setShares(new Map([['acme', 0.2]]))
    assert.equal(admitted(20, admit), 2)
    tenants.setShares(new Map())
    assert.equal(admitted(20, admit), 8)
  })

  test('lets one a second through where the home declares nothing', () => {
    const { tenant, freshShard } = createGround(0)
    const admitAt = (now: number) => admitted(5, () => admitThrottled(tenant, freshShard(), SHARE, now))
    assert.deepEqual([admitAt(NOW), admitAt(NOW + 500), admitAt(NOW + 1_000)], [1, 0, 1])
  })
})
