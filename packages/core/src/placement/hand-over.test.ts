/** Rebalancing, split and merge: what they may move, what holds afterwards, and that placement leaves it alone. */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import type { HandedOver } from './hand-over.ts'
import { type PlacedCell, place } from './place.ts'
import { rebalance } from './rebalance.ts'
import { mergeCell, splitCell } from './split.ts'

const BUCKETS = 512
const RUNS = 40

type Fleet = {
  cells: PlacedCell[]
  shardSize: number
  requests: Float64Array
  tenants: Uint32Array
  table: Uint16Array
}

const policyOf = (shardSize: number) => ({ buckets: BUCKETS, shardSize, seed: 7 })

/** A fleet with traffic as it comes: a few buckets have most of it. */
const fleets = fc
  .record({
    cells: fc.integer({ min: 4, max: 9 }),
    zones: fc.integer({ min: 1, max: 3 }),
    shardSize: fc.constantFrom(1, 2),
    bound: fc.option(fc.integer({ min: 1, max: 3 })),
    traffic: fc.array(fc.tuple(fc.nat(BUCKETS - 1), fc.nat(10_000)), { minLength: 5, maxLength: 60 }),
  })
  .map(({ cells: n, zones, shardSize, bound, traffic }): Fleet => {
    const requests = new Float64Array(BUCKETS)
    const tenants = new Uint32Array(BUCKETS)
    for (const [bucket, count] of traffic) {
      requests[bucket]! += count
      tenants[bucket]!++
    }
    const tenantsMax = bound === null ? undefined : Math.ceil((traffic.length * shardSize * bound) / n)
    const cells = Array.from({ length: n }, (_, slot): PlacedCell => {
      const cell = { slot, weight: 10, zone: `z${slot % zones}` }
      return tenantsMax === undefined ? cell : { ...cell, tenantsMax }
    })
    const load = { byBucket: tenants, expected: 0, excessAllowed: Number.POSITIVE_INFINITY }
    const placed = place(null, cells, policyOf(shardSize), load)
    assert.ok(placed.ok)
    return { cells, shardSize, requests, tenants, table: placed.value.table }
  })

const inputOf = ({ cells, shardSize, tenants, table }: Fleet, more: PlacedCell[] = []) => ({
  ...{ table, cells: [...cells, ...more], policy: policyOf(shardSize), tenantsByBucket: tenants },
})

function rebalanced(fleet: Fleet, isHomeFirst: boolean) {
  return rebalance({
    ...inputOf(fleet),
    ...{ requestsByBucket: fleet.requests, requestsByName: new Map(), isHomeFirst, partOf: () => 1 },
  })
}

const rowsOf = (table: Uint16Array, size: number) =>
  Array.from({ length: BUCKETS }, (_, bucket) => [...table.subarray(bucket * size, (bucket + 1) * size)])

function tenantsBySlot({ tenants, shardSize }: Fleet, table: Uint16Array): Map<number, number> {
  const counts = new Map<number, number>()
  for (const [place, slot] of table.entries()) {
    counts.set(slot, (counts.get(slot) ?? 0) + tenants[Math.floor(place / shardSize)]!)
  }
  return counts
}

/** What has to hold of any table that somebody chose. */
function assertSound(fleet: Fleet, after: HandedOver, cells: readonly PlacedCell[]): void {
  const { shardSize, table } = fleet
  const zoneOf = new Map(cells.map(({ slot, zone }) => [slot, zone]))
  const zones = (row: number[]) => new Set(row.map((slot) => zoneOf.get(slot))).size
  const before = rowsOf(table, shardSize)
  for (const [bucket, row] of rowsOf(after.table, shardSize).entries()) {
    assert.equal(new Set(row).size, shardSize, `bucket ${bucket} has a cell twice`)
    assert.ok(zones(row) >= zones(before[bucket]!), `bucket ${bucket} has fewer zones`)
  }
  const [had, has] = [tenantsBySlot(fleet, table), tenantsBySlot(fleet, after.table)]
  for (const { slot, tenantsMax } of cells) {
    if (tenantsMax === undefined) continue
    const count = has.get(slot) ?? 0
    assert.ok(count <= Math.max(tenantsMax, had.get(slot) ?? 0), `slot ${slot} has ${count} of ${tenantsMax}`)
  }
}

/** The weights that come with a table are those by which placement finds it in bounds. */
function assertKept(fleet: Fleet, { table, weights }: HandedOver, cells: readonly PlacedCell[]): void {
  const weighed = cells.map(({ slot, zone }) => ({ slot, zone, weight: weights.get(slot)! }))
  const again = place(table, weighed, policyOf(fleet.shardSize))
  assert.ok(again.ok, JSON.stringify(again))
  const places = fleet.table.length
  assert.ok(again.value.movedPlaces <= places * 0.02, `${again.value.movedPlaces} places move again`)
}

describe('a rebalancing', () => {
  test('moves load only from cells above their part to cells below, and leaves none worse than the worst was', () => {
    fc.assert(
      fc.property(fleets, fc.boolean(), (fleet, isHomeFirst) => {
        const result = rebalanced(fleet, isHomeFirst)
        assertSound(fleet, result, fleet.cells)
        assertKept(fleet, result, fleet.cells)
        for (const { before, after, part } of result.loads) {
          if (before > part) assert.ok(after <= before + 1e-9 && after >= part - 1e-9)
          else assert.ok(after >= before - 1e-9 && after <= part + 1e-9)
        }
      }),
      { numRuns: RUNS },
    )
  })

  test('moves at most a tenth of all places, each bucket that moves has traffic, and again there is nothing to do', () => {
    fc.assert(
      fc.property(fleets, (fleet) => {
        const result = rebalanced(fleet, true)
        assert.ok(result.moves.length <= fleet.table.length / 10)
        for (const { bucket } of result.moves) assert.ok(fleet.requests[bucket]! > 0)
        const again = rebalanced({ ...fleet, table: result.table }, true)
        if (result.moves.length < Math.floor(fleet.table.length / 10)) assert.equal(again.moves.length, 0)
      }),
      { numRuns: RUNS },
    )
  })

  test('names the cell that one tenant alone keeps above its part', () => {
    const cells = [0, 1, 2, 3].map((slot) => ({ slot, weight: 10, zone: 'a' }))
    const placed = place(null, cells, policyOf(1))
    assert.ok(placed.ok)
    const requests = new Float64Array(BUCKETS).fill(1)
    requests[3] = 10_000
    const fleet = {
      cells,
      shardSize: 1,
      requests,
      tenants: new Uint32Array(BUCKETS),
      table: placed.value.table,
    }
    assert.deepEqual(rebalanced(fleet, true).stuck, [fleet.table[3]])
  })
})

describe('a split', () => {
  const fresh = { slot: 90, weight: 0, zone: 'z0' }

  test('moves only the cell’s own buckets, to the new cell, and halves its traffic as far as buckets allow', () => {
    fc.assert(
      fc.property(fleets, (fleet) => {
        const from = fleet.cells[0]!.slot
        const cells = [...fleet.cells, fresh]
        const input = { ...inputOf(fleet, [fresh]), requestsByBucket: fleet.requests }
        const result = splitCell(input, from, fresh.slot)
        assertSound(fleet, result, cells)
        for (const [place, slot] of fleet.table.entries()) {
          if (result.table[place] !== slot) assert.deepEqual([slot, result.table[place]], [from, fresh.slot])
        }
        assert.equal(result.kept, 0, 'a cell of the same zone fits wherever the old one did')
        const weightOf = (slot: number) =>
          [...result.table].reduce(
            (sum, one, place) =>
              one === slot ? sum + fleet.requests[Math.floor(place / fleet.shardSize)]! : sum,
            0,
          )
        const heaviest = Math.max(...fleet.requests)
        assert.ok(Math.abs(weightOf(from) - weightOf(fresh.slot)) <= heaviest)
        for (const cell of fleet.cells.slice(1)) assert.equal(result.weights.get(cell.slot), cell.weight)
        assertKept(fleet, result, cells)
      }),
      { numRuns: RUNS },
    )
  })
})

describe('a merge', () => {
  test('leaves the cell empty, moves nobody else’s buckets, and keeps every bound', () => {
    fc.assert(
      fc.property(fleets, (fleet) => {
        const [from, into] = [fleet.cells[0]!.slot, fleet.cells.at(-1)!.slot]
        const result = mergeCell(inputOf(fleet), from, into)
        assertSound(fleet, result, fleet.cells)
        let [toInto, elsewhere, left] = [0, 0, 0]
        for (const [place, slot] of fleet.table.entries()) {
          const now = result.table[place]
          if (slot !== from) assert.equal(now, slot)
          else if (now === into) toInto++
          else if (now === from) left++
          else elsewhere++
        }
        assert.deepEqual([elsewhere, left], [result.elsewhere, result.left])
        assert.equal(result.moves.length, toInto + elsewhere)
        if (left === 0) assertKept(fleet, result, fleet.cells.slice(1))
      }),
      { numRuns: RUNS },
    )
  })
})
