/**
 * Ids that name their cell, on bases that the planner makes: a tenant's requests follow an id to each cell that the tenant
 * has or had, and to no other, also once the former tables were packed.
 */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  type Cell,
  decodeTable,
  formatCellNamingId,
  type Override,
  type TopologyBase,
} from '@cellplane/contract'
import {
  bucketOf,
  buildSnapshot,
  compileRoutes,
  type DecisionView,
  FITNESS_FULL,
  matchRoute,
  pickTarget,
  reachOf,
} from '@cellplane/core'
import { exampleFleet } from '../fixtures/control-fixture.ts'
import { planDeclarations } from '../registry/declare.ts'
import { planBase } from './plan-base.ts'

const NOW = Date.UTC(2026, 0, 1)
const CELLS = 16
const fleet = exampleFleet({
  routes: [{ path: '/orders/{id}', failover: 'read', cell_in: 'id' }],
  cells: { count: CELLS, retention_hours: 1 },
})
const { buckets, shard_size: size } = fleet.placement

const declared = planDeclarations(fleet, [], 'local', NOW).map(
  ({ stored: { cell } }): Cell => ({
    ...cell,
    state: 'active',
    endpoint: `http://127.0.0.1:${9000 + cell.slot}`,
  }),
)

function plan(cells: Cell[], current: TopologyBase | null, overrides: Override[] = []): TopologyBase {
  const result = planBase({
    ...{ fleet, cells, overrides, tenants: [], current, epoch: 1, now: NOW, bounds: 'keep' },
  })
  assert.ok(result.ok, JSON.stringify(result))
  return { ...result.value.base, signature: { algorithm: 'Ed25519', key_id: 'k', value: 'v' } }
}

function viewOf(base: TopologyBase, quarantined: string[] = []): DecisionView {
  const snapshot = buildSnapshot(base)
  assert.ok(snapshot.ok)
  const { cells } = snapshot.value
  return {
    snapshot: snapshot.value,
    routes: compileRoutes(base.routes, base.fleet_kind),
    quarantined: new Set(quarantined),
    fitness: new Uint8Array(cells.length).fill(FITNESS_FULL),
    inFlight: new Uint32Array(cells.length),
  }
}

/** Slots of the cells that a tenant's requests reach by ids of every cell; the home is reached by whatever is not followed. */
function followed(view: DecisionView, tenant: string): Set<number> {
  const reach = reachOf(view, tenant)
  const slots = declared.map(({ slot }) => {
    const route = matchRoute(view.routes, 'GET', `/orders/${formatCellNamingId('ord', slot, '01jd')}`)
    const wish = { method: 'GET', route, wantedCell: undefined, hasIdempotencyKey: false }
    const target = pickTarget(view, reach, wish, 0)
    assert.equal(target.kind, 'cell')
    return target.kind === 'cell' && target.isNamed ? slot : view.snapshot.cells[reach.home]!.slot
  })
  return new Set(slots)
}

test('ids are followed to current and former cells and nowhere else, packed or not, overridden or not', () => {
  const serving = declared.filter((cell) => cell.role === 'serving')
  const absorber = declared.find((cell) => cell.role === 'quarantine')!
  const had = Array.from({ length: buckets }, () => new Set<number>())
  let base: TopologyBase | null = null
  let mostFormer = 0
  for (let n = 4; n <= CELLS; n++) {
    base = plan([...serving.slice(0, n), absorber], base)
    mostFormer = Math.max(mostFormer, base.former_tables.length)
    const table = decodeTable(base.table, buckets, size)
    assert.ok(table.ok)
    for (const [place, slot] of table.value.entries()) had[Math.floor(place / size)]!.add(slot)
  }
  // Twelve tables were replaced, and a document holds eight.
  assert.ok(base && base.former_tables.length < CELLS - 4 && mostFormer <= 8)
  const tenants = Array.from({ length: 200 }, (_, i) => `tenant-${i}`)
  const of = (tenant: string) => had[bucketOf(tenant, base.hash.seed, buckets)]!
  const view = viewOf(base)
  for (const tenant of tenants) assert.deepEqual(sorted(followed(view, tenant)), sorted(of(tenant)), tenant)

  const pins = tenants.slice(0, 50).map((tenant, i): Override => {
    return { tenant, cells: [serving[i % CELLS]!.slot], reason: 'pin', generation: 0 }
  })
  const pinned = viewOf(plan([...serving, absorber], base, pins))
  for (const { tenant, cells } of pins) {
    assert.deepEqual(sorted(followed(pinned, tenant)), sorted([...of(tenant), ...cells]), tenant)
  }

  const quarantined = tenants.slice(40, 60)
  const diverted = viewOf(plan([...serving, absorber], base, pins), quarantined)
  for (const tenant of quarantined) {
    const pin = pins.find((one) => one.tenant === tenant)
    const expected = [...of(tenant), ...(pin?.cells ?? []), absorber.slot]
    assert.deepEqual(sorted(followed(diverted, tenant)), sorted(expected), tenant)
  }
})

const sorted = (slots: Iterable<number>) => [...new Set(slots)].sort((a, b) => a - b)
