/** A cell's bound on tenants, through whatever operators do to the placement, in whatever order. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Override, TopologyBase, UnsignedTopologyBase } from '@cellplane/contract'
import type { PlacementWish } from '@cellplane/contract/api'
import { bucketOf, placementPolicyOf } from '@cellplane/core'
import fc from 'fast-check'
import { exampleFleet } from '../fixtures/control-fixture.ts'
import { planDeclarations } from '../registry/declare.ts'
import { inState } from '../registry/plan-lifecycle.ts'
import type { StoredCell } from '../store/collections.ts'
import { baseWithTable } from '../topology/base-with-table.ts'
import { planBase } from '../topology/plan-base.ts'
import { tablesOf } from '../topology/plan-table.ts'
import { planPlacement } from './plan-placement.ts'

const NOW = Date.UTC(2026, 0, 1)
const CELLS = 8
const TENANTS = 30
/** Places that the tenants need, with shards of two, spread over six cells; and a little more. */
const BOUND = Math.ceil((TENANTS * 2) / 6) + 4

const fleet = exampleFleet({
  cells: { count: CELLS, zones: ['a', 'b', 'c'], capacity: { tenants: BOUND }, retention_hours: 1 },
  quarantine: { enabled: false },
})
const policy = placementPolicyOf(fleet)
const tenants = Array.from({ length: TENANTS }, (_, i) => ({
  tenant: `tenant-${i}`,
  is_registered: true,
  // One is as large as all others together.
  requests: i === 0 ? 1000 : 10 + ((i * 37) % 60),
}))
const names = tenants.map(({ tenant }) => tenant)

type World = { registered: StoredCell[]; overrides: Override[]; base: TopologyBase }

const signed = (base: UnsignedTopologyBase): TopologyBase => ({
  ...base,
  signature: { algorithm: 'Ed25519', key_id: 'k', value: 'v' },
})

/** The world with these cells and overrides, or undefined where the plan is refused. */
function planned(registered: StoredCell[], overrides: Override[], current: TopologyBase | null) {
  const cells = registered.map((stored) => stored.cell)
  const wish = { fleet, cells, overrides, tenants: names, current, epoch: 1, now: NOW }
  const plan = planBase({ ...wish, bounds: 'keep' })
  return plan.ok ? { registered, overrides, base: signed(plan.value.base) } : undefined
}

function begin(): World {
  const registered = planDeclarations(fleet, [], 'local', NOW).map(({ stored }) => ({
    ...stored,
    cell: { ...inState(stored.cell, 'active', NOW), endpoint: `http://127.0.0.1:${9000 + stored.cell.slot}` },
  }))
  // The last one has no places, for splits.
  const [last] = registered.splice(-1)
  const world = planned([...registered, { ...last!, cell: { ...last!.cell, weight: 0 } }], [], null)
  assert.ok(world)
  return world
}

const change = (world: World, id: string, of: (stored: StoredCell) => StoredCell) =>
  planned(
    world.registered.map((stored) => (stored.cell.id === id ? of(stored) : stored)),
    world.overrides,
    world.base,
  )

function applied(world: World, wish: PlacementWish): World | undefined {
  const { registered, overrides, base: current } = world
  const plan = planPlacement({ fleet, registered, overrides, tenants, current }, wish, NOW)
  if (!plan.ok) return undefined
  const { cells, table } = plan.value
  const base = baseWithTable({ fleet, cells, overrides, released: [], current, epoch: 1, now: NOW }, table)
  if (!base.ok) return undefined
  const after = registered.map((stored, i) => ({ ...stored, cell: cells[i]! }))
  return { registered: after, overrides, base: signed(base.value) }
}

/** Slot → tenants that have it. */
function tenantsBySlot({ base, overrides }: World): Map<number, number> {
  const tables = tablesOf(base)
  assert.ok(tables.ok)
  const counts = new Map<number, number>()
  const { table } = tables.value
  for (const tenant of names) {
    const start = bucketOf(tenant, policy.seed, policy.buckets) * policy.shardSize
    const named = overrides.find((one) => one.tenant === tenant)?.cells
    for (const slot of named ?? table.subarray(start, start + policy.shardSize)) {
      counts.set(slot, (counts.get(slot) ?? 0) + 1)
    }
  }
  return counts
}

const id = fc.integer({ min: 1, max: CELLS }).map((n) => `cell-00${n}`)
const step = fc.oneof(
  fc.record({ kind: fc.constant('rebalance' as const) }),
  fc.record({ kind: fc.constant('split' as const), cell: id, into: id }),
  fc.record({ kind: fc.constant('merge' as const), cell: id, into: id }),
  fc.record({ kind: fc.constant('weight' as const), cell: id, weight: fc.integer({ min: 0, max: 30 }) }),
  fc.record({ kind: fc.constant('drain' as const), cell: id }),
  fc.record({ kind: fc.constant('undrain' as const), cell: id }),
  fc.record({ kind: fc.constant('evacuate' as const), zone: fc.constantFrom('a', 'b', 'c') }),
)

function take(world: World, one: typeof step extends fc.Arbitrary<infer T> ? T : never): World | undefined {
  switch (one.kind) {
    case 'weight':
      return change(world, one.cell, (stored) => ({
        ...stored,
        cell: { ...stored.cell, weight: one.weight },
      }))
    case 'drain':
    case 'undrain': {
      const state = one.kind === 'drain' ? 'draining' : 'active'
      return change(world, one.cell, (stored) => ({ ...stored, cell: inState(stored.cell, state, NOW) }))
    }
    case 'evacuate': {
      const leave = (stored: StoredCell): StoredCell =>
        stored.cell.zone === one.zone ? { ...stored, cell: inState(stored.cell, 'draining', NOW) } : stored
      return planned(world.registered.map(leave), world.overrides, world.base)
    }
    default:
      return applied(world, one)
  }
}

test('no accepted change leaves a cell with more tenants than its bound, or a plan that placement undoes', () => {
  let accepted = 0
  fc.assert(
    fc.property(fc.array(step, { maxLength: 6 }), (steps) => {
      let world = begin()
      for (const one of steps) {
        const next = take(world, one)
        if (!next) continue
        accepted++
        world = next
        for (const [slot, count] of tenantsBySlot(world)) {
          assert.ok(count <= BOUND, `slot ${slot} has ${count} of ${BOUND} tenants after ${one.kind}`)
        }
        const again = planned(world.registered, world.overrides, world.base)
        assert.equal(again?.base.table, world.base.table, `${one.kind} is not what placement keeps`)
      }
    }),
    { numRuns: 60 },
  )
  assert.ok(accepted > 60, `${accepted} changes were accepted`)
})
