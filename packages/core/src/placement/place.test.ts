import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import { measurePlacement } from './measure.ts'
import { BALANCE_TOLERANCE, type PlacedCell, type Placement, type PlacementPolicy, place } from './place.ts'
import { apportion, capShares, planQuotas } from './quotas.ts'

const ONE_ZONE = { zone: 'a' }
const POLICY: PlacementPolicy = { buckets: 4096, shardSize: 2, seed: 42 }

function equalCells(count: number, zones = 1): PlacedCell[] {
  return Array.from({ length: count }, (_, slot) => ({ slot, weight: 10, zone: `zone-${slot % zones}` }))
}

function placed(previous: Uint16Array | null, cells: readonly PlacedCell[], policy = POLICY): Placement {
  const result = place(previous, cells, policy)
  assert.ok(result.ok, JSON.stringify(result))
  return result.value
}

function codes(cells: readonly PlacedCell[], policy = POLICY): string[] {
  const result = place(null, cells, policy)
  return result.ok ? [] : result.problems.map((p) => p.code)
}

/** Rows are full and hold each cell once; places and homes are within `tolerance` of the cells' shares, or 2 (quotas are rounded). */
function assertBalanced(
  table: Uint16Array,
  cells: readonly PlacedCell[],
  policy: PlacementPolicy,
  tolerance: number,
): void {
  const { placesByCell, homesByCell } = measurePlacement(table, cells, policy)
  const weight = cells.reduce((sum, cell) => sum + cell.weight, 0)
  for (const cell of cells) {
    const homes = (policy.buckets * cell.weight) / weight
    for (const [what, found, target] of [
      ['places', placesByCell.get(cell.slot)!, homes * policy.shardSize],
      ['homes', homesByCell.get(cell.slot)!, homes],
    ] as const) {
      const off = Math.abs(found - target)
      assert.ok(
        off <= Math.max(2, tolerance * target + 1),
        `slot ${cell.slot}: ${found} ${what}, ${target} wanted`,
      )
    }
  }
  assertRows(table, cells, policy)
}

function assertRows(table: Uint16Array, cells: readonly PlacedCell[], { shardSize }: PlacementPolicy): void {
  const slots = new Set(cells.map((cell) => cell.slot))
  for (let start = 0; start < table.length; start += shardSize) {
    const row = new Set(table.subarray(start, start + shardSize))
    assert.ok(row.size === shardSize && row.isSubsetOf(slots), `row ${start / shardSize} is ${[...row]}`)
  }
}

/** Cells with weights that can be met, and a shard size. */
const fleets = fc
  .record({
    shardSize: fc.integer({ min: 1, max: 4 }),
    weights: fc.array(fc.integer({ min: 5, max: 20 }), { minLength: 16, maxLength: 30 }),
    zones: fc.integer({ min: 1, max: 5 }),
    seed: fc.nat(0xffff_ffff),
  })
  .map(({ shardSize, weights, zones, seed }) => ({
    policy: { buckets: 4096, shardSize, seed },
    cells: weights.map((weight, slot) => ({ slot: slot * 3, weight, zone: `zone-${slot % zones}` })),
  }))

describe('from nothing', () => {
  test('every cell has places and homes in proportion to its weight', () => {
    fc.assert(
      fc.property(fleets, ({ cells, policy }) => {
        const inOneZone = cells.map((cell) => ({ ...cell, ...ONE_ZONE }))
        assertBalanced(placed(null, inOneZone, policy).table, inOneZone, policy, 0.02)
      }),
      { numRuns: 15 },
    )
  })

  test('a shard has at most one cell a zone while there are zones enough', () => {
    fc.assert(
      fc.property(fleets, ({ cells, policy }) => {
        const { table } = placed(null, cells, policy)
        assertRows(table, cells, policy)
        const zones = new Set(cells.map((cell) => cell.zone)).size
        if (zones >= policy.shardSize) assert.equal(measurePlacement(table, cells, policy).rowsInOneZone, 0)
      }),
      { numRuns: 15 },
    )
  })

  test('a zone with too much weight carries 1/k, the others the rest, and a note says so', () => {
    const cells = equalCells(16).map((cell, i) => ({ ...cell, zone: i < 10 ? 'a' : i < 13 ? 'b' : 'c' }))
    const { table, notes } = placed(null, cells)
    const { placesByCell, rowsInOneZone } = measurePlacement(table, cells, POLICY)
    assert.equal(rowsInOneZone, 0)
    assert.equal(
      cells.slice(0, 10).reduce((sum, cell) => sum + placesByCell.get(cell.slot)!, 0),
      POLICY.buckets,
    )
    assert.match(notes.join('\n'), /zone "b" has 19 % of the weight but carries 25 % of the places/)
  })

  test('fewer zones than cells in a shard are not considered, and a note says so', () => {
    const cells = equalCells(8, 2)
    const policy = { ...POLICY, shardSize: 3 }
    const { table, notes } = placed(null, cells, policy)
    assertBalanced(table, cells, policy, 0.02)
    assert.match(notes.join('\n'), /2 zones are too few for shards of 3/)
  })

  test('the order in which cells are given does not matter', () => {
    const cells = equalCells(9, 3)
    assert.deepEqual(placed(null, cells.toReversed()), placed(null, cells))
  })

  test('the result is the same on every machine', () => {
    const weighted = equalCells(12, 3).map((cell, i) => ({ ...cell, weight: 7 + (i % 3) }))
    const first = placed(null, weighted)
    const grown = placed(first.table, [...weighted, { slot: 12, weight: 8, zone: 'zone-1' }])
    const digest = (table: Uint16Array) => createHash('sha256').update(Array.from(table).join()).digest('hex')
    assert.equal(digest(first.table), '45ad499a2c79b9789e130d28834c9c6aa26d46759a85a81bbaf375a228d3fc0d')
    assert.equal(digest(grown.table), '195fe57717321837198bd1d0d5281340df92094617f2eb3eec8875e0d51d6c2e')
  })

  test('another seed gives another table', () => {
    assert.notDeepEqual(
      placed(null, equalCells(8)).table,
      placed(null, equalCells(8), { ...POLICY, seed: 43 }).table,
    )
  })
})

describe('with a former table', () => {
  const growth = fc.record({
    count: fc.integer({ min: 2, max: 40 }),
    shardSize: fc.integer({ min: 1, max: 3 }),
    seed: fc.nat(0xffff_ffff),
  })

  test('a new cell takes its fair share of places and of homes, and nothing else moves', () => {
    fc.assert(
      fc.property(growth, ({ count, shardSize, seed }) => {
        const policy = { buckets: 4096, shardSize: Math.min(shardSize, count), seed }
        const before = placed(null, equalCells(count), policy)
        const cells = equalCells(count + 1)
        const after = placed(before.table, cells, policy)
        const fairHomes = policy.buckets / (count + 1)
        assert.ok(after.movedPlaces <= Math.ceil(fairHomes * policy.shardSize), `${after.movedPlaces} places`)
        assert.ok(after.movedHomes <= fairHomes * (1 + BALANCE_TOLERANCE) + 2, `${after.movedHomes} homes`)
        assertBalanced(after.table, cells, policy, BALANCE_TOLERANCE)
      }),
      { numRuns: 25 },
    )
  })

  test('a cell that leaves moves its own places only, and its alternates become homes', () => {
    fc.assert(
      fc.property(growth, fc.nat(39), ({ count, shardSize, seed }, leaver) => {
        const policy = { buckets: 4096, shardSize: Math.min(shardSize, count), seed }
        const before = placed(null, equalCells(count + 1), policy).table
        const cells = equalCells(count + 1).filter((cell) => cell.slot !== leaver % (count + 1))
        const after = placed(before, cells, policy)
        const fairHomes = policy.buckets / (count + 1)
        // Where a row lacks only cells that are full already, a few more places move to even it out.
        const limit = Math.ceil(fairHomes * policy.shardSize * (1 + BALANCE_TOLERANCE)) + 1
        assert.ok(after.movedPlaces <= limit, `${after.movedPlaces} places of ${limit}`)
        assert.ok(after.movedHomes <= fairHomes * (1 + BALANCE_TOLERANCE) + 2, `${after.movedHomes} homes`)
        assertBalanced(after.table, cells, policy, BALANCE_TOLERANCE)
        if (policy.shardSize === 1) return
        const left = [...before.keys()].filter(
          (i) => i % policy.shardSize === 0 && before[i] === leaver % (count + 1),
        )
        const promoted = left.filter((home) => after.table[home] === before[home + 1])
        // But for a few that are swapped to keep homes in bounds.
        assert.ok(promoted.length >= 0.9 * left.length, `${promoted.length} of ${left.length}`)
      }),
      { numRuns: 25 },
    )
  })

  test('a table within bounds is returned as it is', () => {
    const cells = equalCells(10)
    const before = placed(null, cells)
    const shifted = cells.map((cell, i) => ({ ...cell, weight: i % 2 ? 10 : 10.5 }))
    for (const same of [cells, shifted]) {
      const after = placed(before.table, same)
      assert.deepEqual(after, { ...before, notes: [] })
    }
  })

  test('balance, zones and spread hold through a history of changes', () => {
    const event = fc.record({
      kind: fc.constantFrom('add', 'remove', 'weigh'),
      at: fc.nat(100),
      weight: fc.integer({ min: 5, max: 20 }),
    })
    fc.assert(
      fc.property(
        fleets,
        fc.array(event, { minLength: 3, maxLength: 6 }),
        ({ cells: first, policy }, events) => {
          let cells: PlacedCell[] = first
          let { table } = placed(null, cells, policy)
          for (const [i, { kind, at, weight }] of events.entries()) {
            const zone = `zone-${at % 5}`
            if (kind === 'add') cells = [...cells, { slot: 1000 + i, weight, zone }]
            else if (kind === 'remove') cells = cells.filter((_, n) => n !== at % cells.length)
            else cells = cells.map((cell, n) => (n === at % cells.length ? { ...cell, weight } : cell))
            const next = place(table, cells, policy)
            // Few light cells and a heavy one: a refusal, which has its own tests.
            if (!next.ok) return
            table = next.value.table
            assertRows(table, cells, policy)
            const zones = new Set(cells.map((cell) => cell.zone)).size
            const measured = measurePlacement(table, cells, policy)
            if (zones >= policy.shardSize) assert.equal(measured.rowsInOneZone, 0)
            if (zones === 1) assertBalanced(table, cells, policy, BALANCE_TOLERANCE)
          }
        },
      ),
      { numRuns: 15 },
    )
  })

  test('quotas are met after a change also where zones and weights leave little choice', () => {
    const policy = { buckets: 512, shardSize: 3, seed: 1 }
    const weights = fc.array(fc.integer({ min: 1, max: 40 }), { minLength: 16, maxLength: 16 })
    const zones = fc.array(fc.nat(4), { minLength: 16, maxLength: 16 })
    fc.assert(
      fc.property(weights, weights, zones, (before, after, zone) => {
        const cellsOf = (weights: number[]) =>
          weights.map((weight, slot) => ({ slot, weight, zone: `zone-${zone[slot]}` }))
        const first = place(null, cellsOf(before), policy)
        const second = place(first.ok ? first.value.table : null, cellsOf(after), policy)
        const planned = planQuotas(cellsOf(after), policy)
        if (!second.ok || !planned.ok) return
        const { placesByCell } = measurePlacement(second.value.table, cellsOf(after), policy)
        for (const [cell, quota] of planned.value.quota.entries()) {
          assert.ok(Math.abs(placesByCell.get(cell)! - quota) <= Math.max(1, BALANCE_TOLERANCE * quota))
        }
      }),
      { numRuns: 100 },
    )
  })

  test('shards stay spread when a fleet grows cell by cell from 2 to 16', () => {
    let table: Uint16Array | null = null
    for (let count = 2; count <= 16; count++) table = placed(table, equalCells(count)).table
    const { distinctShards, fullOverlap } = measurePlacement(table!, equalCells(16), POLICY)
    assert.equal(distinctShards, 120)
    assert.ok(fullOverlap < 1.05 / 120, `${fullOverlap}`)
  })

  test('a table of another size is not used, and a note says so', () => {
    const { table, notes, movedPlaces } = placed(placed(null, equalCells(4)).table, equalCells(4), {
      ...POLICY,
      shardSize: 3,
    })
    assert.equal(table.length, POLICY.buckets * 3)
    assert.equal(movedPlaces, 0)
    assert.match(notes.join('\n'), /8192 places, not 4096 × 3/)
  })

  test('a table of foreign slots, or with one cell twice in a row, is mended', () => {
    const cells = equalCells(5)
    const broken = placed(null, cells).table.map((slot, i) => (i % 7 === 0 ? 999 : i % 5 === 0 ? 2 : slot))
    assertBalanced(placed(broken, cells).table, cells, POLICY, BALANCE_TOLERANCE)
  })
})

describe('refusals', () => {
  test('no cell, or none with a weight', () => {
    assert.deepEqual(codes([]), ['NO_CELLS'])
    assert.deepEqual(codes([{ slot: 0, weight: 0, zone: 'a' }]), ['NO_CELLS'])
  })

  test('a shard larger than the fleet; cells without weight do not count', () => {
    assert.deepEqual(codes(equalCells(2), { ...POLICY, shardSize: 3 }), ['SHARD_TOO_LARGE'])
    assert.deepEqual(codes([...equalCells(1), { slot: 1, weight: 0, zone: 'a' }]), ['SHARD_TOO_LARGE'])
  })

  test('a weight above total/k, with what would do instead', () => {
    const cells = [{ slot: 0, weight: 50, zone: 'a' }, ...equalCells(5).slice(1)]
    const result = place(null, cells, POLICY)
    assert.ok(!result.ok)
    assert.deepEqual(
      result.problems.map((p) => [p.code, p.path]),
      [['WEIGHT_UNREACHABLE', 'cells[slot 0].weight']],
    )
    assert.match(result.problems[0]!.message, /weight 50 of 90 in all; .* lower it to 40/)
    assert.deepEqual(codes([{ slot: 0, weight: 40, zone: 'a' }, ...equalCells(5).slice(1)]), [])
  })

  test('equal weights are never too heavy, whatever they round to', () => {
    for (const count of [3, 6, 7]) {
      const cells = equalCells(count).map((cell) => ({ ...cell, weight: 0.1 }))
      assert.deepEqual(codes(cells, { ...POLICY, shardSize: count }), [])
    }
  })
})

test('apportioned numbers are whole, add up, and are within one of the exact ones', () => {
  fc.assert(
    fc.property(
      fc.array(fc.integer({ min: 1, max: 100 }), { minLength: 1 }),
      fc.nat(100_000),
      (weights, total) => {
        const sum = weights.reduce((a, b) => a + b, 0)
        const numbers = apportion(
          total,
          weights.map((w) => w / sum),
        )
        assert.equal(
          numbers.reduce((a, b) => a + b, 0),
          total,
        )
        for (const [i, n] of numbers.entries()) assert.ok(Math.abs(n - (weights[i]! / sum) * total) <= 1)
      },
    ),
    { numRuns: 100 },
  )
})

test('capped shares add up to 1, and only those at the cap lost anything', () => {
  const rounded = (shares: number[]) => capShares(shares, 0.5).map((share) => Math.round(share * 1e9) / 1e9)
  assert.deepEqual(rounded([0.6, 0.3, 0.1]), [0.5, 0.375, 0.125])
  assert.deepEqual(rounded([0.9, 0.06, 0.04]), [0.5, 0.3, 0.2])
  assert.deepEqual(rounded([0.25, 0.25, 0.25, 0.25]), [0.25, 0.25, 0.25, 0.25])
})
