/** Bounds on tenants in the plan of a table; the rest of it is tested with the base that it makes (`plan-base.test.ts`). */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { type Cell, encodeTable, type Override, type TopologyBase } from '@cellplane/contract'
import { bucketOf, placementPolicyOf } from '@cellplane/core'
import { exampleFleet } from '../fixtures/control-fixture.ts'
import { planDeclarations } from '../registry/declare.ts'
import { planBase } from './plan-base.ts'
import { planTable, type TablePlan, type TableWish } from './plan-table.ts'

const NOW = Date.UTC(2026, 0, 1)
const fleet = exampleFleet()
const policy = placementPolicyOf(fleet)

function activeCells(n: number, tenants?: number): Cell[] {
  const declared = exampleFleet({
    cells: { count: n, ...(tenants === undefined ? {} : { capacity: { tenants } }) },
    quarantine: { enabled: false },
  })
  return planDeclarations(declared, [], 'local', NOW).map(({ stored: { cell } }) => ({
    ...cell,
    state: 'active',
    endpoint: `http://127.0.0.1:${9000 + cell.slot}`,
  }))
}

const named = (n: number) => Array.from({ length: n }, (_, i) => `tenant-${i}`)

function plan(cells: Cell[], tenants: string[], more: Partial<TableWish> = {}) {
  return planTable({ fleet, cells, tenants, overrides: [], current: null, now: NOW, bounds: 'keep', ...more })
}

function planned(...args: Parameters<typeof plan>): TablePlan {
  const result = plan(...args)
  assert.ok(result.ok, JSON.stringify(result))
  return result.value
}

/** A published base that has these cells and this table. */
function baseWith(cells: Cell[], table: Uint16Array): TopologyBase {
  const base = planBase({
    ...{ fleet, cells, tenants: [], overrides: [], current: null, now: NOW },
    epoch: 1,
    bounds: 'best-effort',
  })
  assert.ok(base.ok)
  return {
    ...base.value.base,
    table: encodeTable(table),
    signature: { algorithm: 'Ed25519', key_id: 'k', value: 'v' },
  }
}

function tenantsIn(slot: number, table: Uint16Array, tenants: string[]): number {
  return tenants.filter((tenant) => {
    const start = bucketOf(tenant, policy.seed, policy.buckets) * policy.shardSize
    return table.subarray(start, start + policy.shardSize).includes(slot)
  }).length
}

describe('in a stateless fleet', () => {
  const tenants = named(60)

  test('no cell gets more tenants in its shards than its bound', () => {
    const { table, crowded } = planned(activeCells(4, 34), tenants)
    for (const slot of [0, 1, 2, 3]) assert.ok(tenantsIn(slot, table, tenants) <= 34)
    assert.deepEqual(crowded, [])
  })

  test('a bound that nobody reaches leaves the table to the byte', () => {
    const before = planned(activeCells(4), tenants)
    const current = baseWith(activeCells(4), before.table)
    assert.deepEqual(planned(activeCells(4, 60), tenants, { current }).table, before.table)
  })

  test('tenants that came since go to cells with room, and the former table is kept for what they stored', () => {
    const before = planned(activeCells(4, 34), [])
    const current = baseWith(activeCells(4, 34), before.table)
    assert.ok([0, 1, 2, 3].some((slot) => tenantsIn(slot, before.table, tenants) > 34))
    const after = planned(activeCells(4, 34), tenants, { current })
    for (const slot of [0, 1, 2, 3]) assert.ok(tenantsIn(slot, after.table, tenants) <= 34)
    assert.deepEqual(
      after.former.map((one) => one.table),
      [before.table],
    )
  })

  test('a pinned tenant takes room in the cells that it is pinned to', () => {
    const pins = tenants
      .slice(0, 20)
      .map((tenant): Override => ({ tenant, cells: [0, 1], reason: 'pin', generation: 0 }))
    const { table } = planned(activeCells(4, 34), tenants, { overrides: pins })
    for (const slot of [0, 1]) assert.ok(tenantsIn(slot, table, tenants.slice(20)) <= 14)
  })

  test('a cell may not leave while the others have no room, and may join although there is too little', () => {
    const { table } = planned(activeCells(4, 34), tenants)
    const current = baseWith(activeCells(4, 34), table)
    const without = plan(activeCells(4, 34).slice(1), tenants, { current })
    assert.ok(!without.ok)
    assert.equal(without.problems[0]?.code, 'TENANTS_BOUND_UNMET')
    assert.match(without.problems[0]?.message ?? '', /room for 102 places; the 60 tenants .* need 120/)

    const many = named(200)
    const tooFew = planned(activeCells(4, 34), many, { current, bounds: 'best-effort' })
    assert.ok(tooFew.crowded.length > 0)
    assert.deepEqual(
      planned(activeCells(4, 34), many, { current }).table,
      tooFew.table,
      'what helps nobody is left as it is',
    )
    assert.ok(planned(activeCells(5, 34), many, { current }).crowded.length > 0)
  })

  test('the first placement waits while the bounds cannot be kept', () => {
    const refused = plan(activeCells(4, 10), tenants)
    assert.ok(!refused.ok)
    assert.equal(refused.problems[0]?.code, 'TENANTS_BOUND_UNMET')
  })
})

test('in a stateful fleet the table does not follow bounds, and homes above them are told', () => {
  const stateful = exampleFleet({ kind: 'stateful' })
  const overrides = named(3).map(
    (tenant): Override => ({ tenant, cells: [1, 2], reason: 'assignment', generation: 1 }),
  )
  const wish = { fleet: stateful, overrides }
  const { table, crowded } = planned(activeCells(4, 2), named(60), wish)
  assert.deepEqual(crowded, [{ slot: 1, tenants: 3, bound: 2 }])
  assert.deepEqual(table, planned(activeCells(4), named(60), wish).table)
})
