import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type Cell, decodeTable, type TopologyBase, type UnsignedTopologyBase } from '@cellplane/contract'
import { exampleFleet } from '../fixtures/control-fixture.ts'
import { newCell, planDeclarations } from '../registry/declare.ts'
import type { StoredCell } from '../store/collections.ts'
import { planBase } from './plan-base.ts'

const NOW = Date.UTC(2026, 0, 1)
const HOUR = 3_600_000
const fleet = exampleFleet()

function activeCells(n: number): Cell[] {
  return planDeclarations(
    exampleFleet({ cells: { count: n }, quarantine: { enabled: false } }),
    [],
    'local',
    NOW,
  ).map(({ stored: { cell } }) => ({
    ...cell,
    state: 'active',
    endpoint: `http://127.0.0.1:${9000 + cell.slot}`,
  }))
}

function plan(
  cells: Cell[],
  current: UnsignedTopologyBase | null,
  now = NOW,
  overrides: TopologyBase['overrides'] = [],
) {
  return planBase({
    fleet,
    cells,
    overrides,
    tenants: [],
    current: current && signed(current),
    epoch: 1,
    now,
    bounds: 'keep',
  })
}

const signed = (base: UnsignedTopologyBase): TopologyBase => ({
  ...base,
  signature: { algorithm: 'Ed25519', key_id: 'k', value: 'v' },
})

function value<T>(result: { ok: true; value: T } | { ok: false; problems: unknown }): T {
  if (!result.ok) assert.fail(JSON.stringify(result.problems))
  return result.value
}

/** The rows of a table in its wire form, with the shard size of the example. */
function bucketsOf(table: string): number[][] {
  const { buckets, shard_size: size } = exampleFleet().placement
  const slots = value(decodeTable(table, buckets, size))
  return Array.from({ length: buckets }, (_, bucket) => [
    ...slots.subarray(bucket * size, (bucket + 1) * size),
  ])
}

test('the same registry gives the same base again, whenever it is planned', () => {
  const first = value(plan(activeCells(4), null))
  assert.ok(first.isChanged)
  const second = value(plan([...activeCells(4)].reverse(), first.base, NOW + HOUR))
  assert.equal(second.isChanged, false)
  assert.equal(second.base.table, first.base.table)
})

test('a replaced table is kept as a former one until its time is over', () => {
  const first = value(plan(activeCells(4), null)).base
  const second = value(plan(activeCells(5), first)).base
  assert.deepEqual(
    second.former_tables.map((one) => [one.version, one.until, one.table === first.table]),
    [[1, new Date(NOW + HOUR).toISOString(), true]],
  )
  assert.equal(value(plan(activeCells(5), second, NOW + HOUR - 1)).isChanged, false)
  const later = value(plan(activeCells(5), second, NOW + HOUR))
  assert.ok(later.isChanged)
  assert.deepEqual(later.base.former_tables, [])
})

test('former tables beyond what a document holds are packed, and every cell that a bucket ever had is still found', () => {
  let base = value(plan(activeCells(4), null)).base
  const hadBy = bucketsOf(base.table).map((row) => new Set(row))
  for (let n = 5; n <= 16; n++) {
    base = value(plan(activeCells(n), base)).base
    for (const [bucket, row] of bucketsOf(base.table).entries())
      for (const slot of row) hadBy[bucket]!.add(slot)
  }
  assert.ok(base.former_tables.length <= 8, `${base.former_tables.length}`)
  const known = [base.table, ...base.former_tables.map((one) => one.table)].map(bucketsOf)
  for (const [bucket, had] of hadBy.entries()) {
    const found = new Set(known.flatMap((rows) => rows[bucket]!))
    for (const slot of had) assert.ok(found.has(slot), `bucket ${bucket} had slot ${slot}`)
  }
})

test('a change that would lose a bucket’s former cells is refused with the remedy', () => {
  // Two cells at a time, and never the same: each change leaves two more behind in every bucket.
  const generation = (i: number) => activeCells(24).slice(2 * i, 2 * i + 2)
  let base = value(plan(generation(0), null)).base
  let refused: ReturnType<typeof plan> | undefined
  for (let i = 1; i < 12 && !refused; i++) {
    const next = plan(generation(i), base)
    if (next.ok) base = next.value.base
    else refused = next
  }
  assert.ok(refused && !refused.ok)
  assert.equal(refused.problems[0]?.code, 'FORMER_TABLES_FULL')
  assert.match(refused.problems[0]?.message ?? '', /wait until 2026-01-01T01:00:00.000Z/)
})

test('a pin changes the base and not the table', () => {
  const first = value(plan(activeCells(4), null)).base
  const pin = { tenant: 'acme', cells: [2, 0], reason: 'pin' as const, generation: 0 }
  const pinned = value(plan(activeCells(4), first, NOW, [pin]))
  assert.ok(pinned.isChanged)
  assert.equal(pinned.base.table, first.table)
  assert.deepEqual(pinned.base.former_tables, [])
})

test('another seed, number of buckets or shard size is refused', () => {
  const current = signed(value(plan(activeCells(4), null)).base)
  const other = exampleFleet({ placement: { shard_size: 3, buckets: 512, seed: 1 } })
  const refused = planBase({
    fleet: other,
    cells: activeCells(4),
    overrides: [],
    tenants: [],
    current,
    epoch: 1,
    now: NOW,
    bounds: 'keep',
  })
  assert.ok(!refused.ok)
  assert.deepEqual(
    refused.problems.map((one) => [one.code, one.path]),
    ['seed', 'buckets', 'shard_size'].map((name) => ['PLACEMENT_POLICY_CHANGED', `placement.${name}`]),
  )
})

test('a weight that cannot be met and a shard that does not fit are refused', () => {
  const [heavy, ...rest] = activeCells(4)
  const unmet = plan([{ ...heavy!, weight: 100 }, ...rest], null)
  assert.equal(unmet.ok ? '' : unmet.problems[0]?.code, 'WEIGHT_UNREACHABLE')
  const alone = plan(activeCells(4).slice(0, 1), null)
  assert.equal(alone.ok ? '' : alone.problems[0]?.code, 'SHARD_TOO_LARGE')
})

test('a draining cell leaves the table and stays in the document', () => {
  const cells = activeCells(4)
  const first = value(plan(cells, null)).base
  const drained = value(plan([{ ...cells[0]!, state: 'draining' }, ...cells.slice(1)], first)).base
  const table = decodeTable(drained.table, 256, 2)
  assert.ok(table.ok && !table.value.includes(0))
  assert.equal(drained.cells[0]?.state, 'draining')
})

test('a declared cell that changed is taken over, one that left the file stays, and slots are not given twice', () => {
  const registered = planDeclarations(fleet, [], 'local', NOW).map((one) => one.stored)
  assert.deepEqual(
    registered.map(({ cell }) => cell.slot),
    [0, 1, 2, 3, 4],
  )
  assert.equal(registered.at(-1)?.cell.role, 'quarantine')
  assert.deepEqual(planDeclarations(fleet, registered, 'local', NOW + HOUR), [])
  const stored = registered.map((one): StoredCell => {
    const { weight, capacity } = one.cell
    return { ...one, settings: { weight: 5, declared: { weight, capacity } }, is_evacuated: true }
  })
  assert.deepEqual(planDeclarations(fleet, stored, 'local', NOW + HOUR), [], 'nor one that was set')
  const extra = newCell(
    fleet,
    {
      id: 'cell-009',
      role: 'serving',
      zone: 'local',
      weight: 1,
      capacity: {},
      database_url: null,
      dns_names: [],
      public_url: null,
      price_per_hour: null,
    },
    7,
    'local',
    NOW,
  )
  const larger = exampleFleet({ cells: { count: 5, weight: 20, retention_hours: 1 } })
  const changes = planDeclarations(larger, [...registered, extra], 'local', NOW)
  assert.deepEqual(
    changes.map(({ action, stored: { cell } }) => [action, cell.id, cell.slot, cell.weight]),
    [
      ...[1, 2, 3, 4].map((n) => ['cell.redeclare', `cell-00${n}`, n - 1, 20]),
      ['cell.register', 'cell-005', 8, 20],
    ],
  )
})
