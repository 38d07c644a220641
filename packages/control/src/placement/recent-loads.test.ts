/** By which loads a plan is made, in virtual time. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { TopologyBase } from '@cellplane/contract'
import { bucketOf, placementPolicyOf } from '@cellplane/core'
import { exampleFleet } from '../fixtures/control-fixture.ts'
import { createMemoryStore } from '../fixtures/memory-store.ts'
import { planDeclarations } from '../registry/declare.ts'
import { inState } from '../registry/plan-lifecycle.ts'
import { createObservedTenants } from '../tenants/observed-tenants.ts'
import { readTenantRequests } from '../tenants/recent-requests.ts'
import { planBase } from '../topology/plan-base.ts'
import { tablesOf } from '../topology/plan-table.ts'
import { planPlacement } from './plan-placement.ts'

const START = Date.UTC(2026, 0, 1)
const MONTH_MS = 30 * 24 * 3_600_000
const SHARE = 0.9

const fleet = exampleFleet({ quarantine: { enabled: false } })
const { seed, buckets } = placementPolicyOf(fleet)
const registered = planDeclarations(fleet, [], 'local', START).map(({ stored }) => ({
  ...stored,
  cell: { ...inState(stored.cell, 'active', START), endpoint: `http://127.0.0.1:${9000 + stored.cell.slot}` },
}))

function firstBase(): TopologyBase {
  const cells = registered.map((stored) => stored.cell)
  const wish = { fleet, cells, overrides: [], tenants: [], current: null, epoch: 1, now: START }
  const plan = planBase({ ...wish, bounds: 'keep' })
  assert.ok(plan.ok)
  return { ...plan.value.base, signature: { algorithm: 'Ed25519', key_id: 'k', value: 'v' } }
}

test('a rebalancing goes by who is busy now, and not by who was last month', async () => {
  const current = firstBase()
  const tables = tablesOf(current)
  assert.ok(tables.ok)
  const homeOf = (tenant: string) => tables.value.table[bucketOf(tenant, seed, buckets) * current.shard_size]!
  const homedAt = (slot: number) =>
    Array.from({ length: 200 }, (_, n) => `tenant-${n}`).filter((tenant) => homeOf(tenant) === slot)

  // A month ago all that the first cell is home of was busy; today all of the second.
  const store = createMemoryStore()
  const observed = createObservedTenants()
  observed.record(homedAt(0).map((tenant) => ({ tenant, requests: 100_000, errors: 0 })))
  await observed.save(store, START)
  const now = START + MONTH_MS
  const planAt = async (at: number) => {
    const tenants = await readTenantRequests(store, at)
    const plan = planPlacement(
      { fleet, registered, overrides: [], tenants, current },
      { kind: 'rebalance' },
      at,
    )
    assert.ok(plan.ok)
    return plan.value.view
  }
  const hottest = ({ cells }: Awaited<ReturnType<typeof planAt>>) =>
    cells.toSorted((a, b) => b.load_before! - a.load_before!)[0]!

  const then = await planAt(START)
  assert.equal(then.load_hours, 24)
  assert.deepEqual([hottest(then).id, hottest(then).load_before! > SHARE], ['cell-001', true])
  const silent = await planAt(now)
  assert.equal(silent.moved.places, 0)
  assert.match(silent.notes.join(), /no traffic was observed in the last 24 h/)

  observed.record(homedAt(1).map((tenant) => ({ tenant, requests: 10, errors: 0 })))
  await observed.save(store, now)
  const today = await planAt(now)
  assert.deepEqual([hottest(today).id, hottest(today).load_before! > SHARE], ['cell-002', true])
  assert.ok(hottest(today).load_after! < hottest(today).load_before!)
})
