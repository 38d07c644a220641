import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { BUDGET_DEFAULTS, type Budget, type Override } from '@cellplane/contract'
import fc from 'fast-check'
import { type PlacedCell, type PlacementPolicy, place } from '../placement/place.ts'
import type { Excess } from './budget.ts'
import { equalParts, limitWithChance } from './chance.ts'
import { type CheckedBase, checkTables } from './check-tables.ts'
import { checkTenants } from './check-tenants.ts'
import { measureMovement } from './movement.ts'
import { measureTenants } from './tenant-figures.ts'

const POLICY: PlacementPolicy = { buckets: 1024, shardSize: 2, seed: 7 }

function equalCells(count: number, zones = 1): PlacedCell[] {
  return Array.from({ length: count }, (_, slot) => ({ slot, weight: 10, zone: `z${slot % zones}` }))
}

/** The base of these cells; `extra` ones are in the registry and have no place. */
function baseOf(table: Uint16Array, cells: readonly PlacedCell[], policy = POLICY): CheckedBase {
  const indexOf = new Map(cells.map(({ slot }, index) => [slot, index]))
  return {
    ...policy,
    cells: cells.map((cell) => ({ ...cell, id: `cell-${cell.slot}`, role: 'serving', state: 'active' })),
    rows: table.map((slot) => indexOf.get(slot)!),
  }
}

function tableOf(previous: Uint16Array | null, cells: readonly PlacedCell[], policy = POLICY): Uint16Array {
  const placed = place(previous, cells, policy)
  assert.ok(placed.ok, JSON.stringify(placed))
  return placed.value.table
}

/** What the default budget says of going from one set of cells to another. */
function change(
  before: readonly PlacedCell[],
  after: readonly PlacedCell[],
  budget: Budget = BUDGET_DEFAULTS,
  policy = POLICY,
): Excess[] {
  const table = tableOf(null, before, policy)
  return checkTables(
    baseOf(table, before, policy),
    baseOf(tableOf(table, after, policy), after, policy),
    budget,
  )
}

const fields = (excesses: readonly Excess[]) => [...new Set(excesses.map((one) => one.budget))]

describe('the default budget', () => {
  const kind = fc.record({
    shardSize: fc.integer({ min: 1, max: 3 }),
    buckets: fc.constantFrom(256, 1024, 4096),
    zones: fc.integer({ min: 1, max: 4 }),
    seed: fc.nat(1e9),
    first: fc.integer({ min: 1, max: 12 }),
    steps: fc.array(
      fc.record({
        what: fc.constantFrom('add', 'add', 'remove', 'reweigh'),
        which: fc.nat(100),
        weight: fc.oneof(fc.constant(10), fc.integer({ min: 5, max: 20 })),
        zone: fc.nat(3),
      }),
      { minLength: 1, maxLength: 12 },
    ),
  })

  test('allows whatever placement makes of one cell that comes, goes or gets another weight, from one cell up', () => {
    let checked = 0
    fc.assert(
      fc.property(kind, ({ shardSize, buckets, zones, seed, first, steps }) => {
        const policy = { shardSize, buckets, seed }
        let cells = equalCells(Math.max(first, shardSize), zones)
        let table = tableOf(null, cells, policy)
        let slot = cells.length
        for (const { what, which, weight, zone } of steps) {
          const at = which % cells.length
          const next =
            what === 'add'
              ? [...cells, { slot: slot++, weight, zone: `z${zone % zones}` }]
              : what === 'remove'
                ? cells.filter((_, i) => i !== at)
                : cells.map((cell, i) => (i === at ? { ...cell, weight } : cell))
          const placed = place(table, next, policy)
          if (!placed.ok) continue
          const excesses = checkTables(
            baseOf(table, cells, policy),
            baseOf(placed.value.table, next, policy),
            BUDGET_DEFAULTS,
          )
          assert.deepEqual(
            excesses.map((one) => one.message),
            [],
          )
          checked++
          cells = next
          table = placed.value.table
        }
      }),
      { numRuns: 60 },
    )
    assert.ok(checked > 100)
  })

  test('allows that a fleet of three zones which grew from three cells to five loses one', () => {
    // The zones move half as much again as the loads need: a tenth of all places, and what rounding adds to it.
    const policy = { ...POLICY, seed: 999_999_985 }
    const cells = ['a', 'b', 'c', 'c', 'a'].map((zone, slot) => ({ slot, weight: 10, zone }))
    const [three, four] = [cells.slice(0, 3), cells.slice(0, 4)]
    const table = tableOf(tableOf(tableOf(null, three, policy), four, policy), cells, policy)
    const left = cells.slice(1)
    const [before, after] = [baseOf(table, cells, policy), baseOf(tableOf(table, left, policy), left, policy)]
    assert.deepEqual(checkTables(before, after, BUDGET_DEFAULTS), [])
    const moved = measureMovement(before, after)
    assert.ok(moved.places - moved.placesNeeded > 0.1)
  })

  for (const [from, to] of [
    [1, 2],
    [2, 3],
    [3, 2],
    [2, 1],
    [4, 5],
    [4, 3],
  ] as const) {
    test(`allows ${from} → ${to} cells with shards of one`, () => {
      assert.deepEqual(
        change(equalCells(from), equalCells(to), BUDGET_DEFAULTS, { ...POLICY, shardSize: 1 }),
        [],
      )
    })
  }

  test('allows cells that get zones, although many buckets must let one of two go', () => {
    assert.deepEqual(change(equalCells(4), equalCells(4, 2)), [])
  })
})

describe('a change is over budget', () => {
  const cells = equalCells(8)
  const table = tableOf(null, cells)

  test('when everybody is placed anew at equal load', () => {
    const anew = tableOf(null, cells, { ...POLICY, seed: 99 })
    const excesses = checkTables(baseOf(table, cells), baseOf(anew, cells), BUDGET_DEFAULTS)
    assert.deepEqual(fields(excesses), ['moved_share', 'moved_homes_share'])
    assert.match(excesses[0]!.message, /of all places move \(\d+ of 2048\); the change needs \d/)
  })

  test('when more cells are emptied at once than its share, but never for one', () => {
    assert.deepEqual(fields(change(cells, cells.slice(2))), [])
    const excesses = change(cells, cells.slice(3))
    assert.deepEqual(fields(excesses), ['cells_out_share'])
    assert.deepEqual(excesses[0]!.cells, ['cell-0', 'cell-1', 'cell-2'])
    assert.match(excesses[0]!.message, /3 of 8 cells lose all of their tenants at once/)
  })

  test('when fewer cells are active than the budget asks for, unless there were fewer before', () => {
    const budget = { ...BUDGET_DEFAULTS, active_cells_min: 8 }
    assert.deepEqual(fields(change(cells, cells.slice(1), budget)), ['active_cells_min'])
    assert.deepEqual(fields(change(cells.slice(0, 6), cells.slice(0, 7), budget)), [])
  })

  test('when one cell gets the places of another', () => {
    const gathered = table.map((slot, place) => {
      const other = table[place % 2 === 0 ? place + 1 : place - 1]
      return slot === 1 && other !== 0 ? 0 : slot
    })
    const excesses = checkTables(baseOf(table, cells), baseOf(gathered, cells), BUDGET_DEFAULTS)
    assert.ok(fields(excesses).includes('cell_factor'))
    assert.match(excesses[0]!.message, /cell "cell-0" would have .* of all buckets; the budget allows/)
  })

  test('when cells are paired up, although every load stays even', () => {
    const paired = table.map((_, place) => {
      const pair = (place >> 1) % 4
      return 2 * pair + (place % 2)
    })
    const excesses = checkTables(baseOf(table, cells), baseOf(paired, cells), BUDGET_DEFAULTS)
    assert.ok(fields(excesses).includes('pair_factor'))
    assert.ok(!fields(excesses).includes('cell_factor'))
  })

  test('when hash or shard size change', () => {
    const other = { ...POLICY, buckets: 512 }
    const after = baseOf(tableOf(null, cells, other), cells, other)
    const excesses = checkTables(baseOf(table, cells), after, BUDGET_DEFAULTS)
    assert.deepEqual(
      excesses.map((one) => [one.budget, one.value]),
      [['moved_share', 1]],
    )
  })

  test('and what stood above before is no excess of a change that does not add to it', () => {
    const paired = table.map((_, place) => 2 * ((place >> 1) % 4) + (place % 2))
    const nine = equalCells(9)
    const after = checkTables(baseOf(paired, cells), baseOf(tableOf(paired, nine), nine), BUDGET_DEFAULTS)
    assert.deepEqual(after, [])
  })
})

describe('movement', () => {
  test('needs at least what cells gain, and never more than what moved', () => {
    const sizes = fc.tuple(fc.integer({ min: 2, max: 9 }), fc.integer({ min: 2, max: 9 }), fc.nat(1e6))
    fc.assert(
      fc.property(sizes, ([from, to, seed]) => {
        const policy = { ...POLICY, seed }
        const before = tableOf(null, equalCells(from), policy)
        const after = tableOf(before, equalCells(to), policy)
        const moved = measureMovement(
          baseOf(before, equalCells(from), policy),
          baseOf(after, equalCells(to), policy),
        )
        const share = Math.abs(to - from) / Math.max(to, from)
        assert.ok(Math.abs(moved.placesNeeded - share) < 0.02, `${moved.placesNeeded} for ${share}`)
        assert.ok(moved.places >= moved.placesNeeded && moved.homes >= moved.homesNeeded)
      }),
      { numRuns: 40 },
    )
  })
})

describe('over tenants', () => {
  const cells = equalCells(4)
  const table = tableOf(null, cells)
  const plan = (overrides: Override[] = []) => ({ ...baseOf(table, cells), overrides })
  const pins = (count: number, slots: number[]): Override[] =>
    Array.from({ length: count }, (_, i) => ({ tenant: `t${i}`, cells: slots, reason: 'pin', generation: 0 }))
  const tenants = (count: number, requestsOf = (_: number) => 1) =>
    Array.from({ length: count }, (_, i) => ({ tenant: `t${i}`, requests: requestsOf(i) }))
  const figures = (count: number, overrides: Override[], requestsOf?: (i: number) => number) =>
    measureTenants(tenants(count, requestsOf), POLICY, new Set(overrides.map(({ tenant }) => tenant)))

  test('pins that gather on one cell are over budget, with how many tenants and whose', () => {
    const gathered = pins(800, [0, 1])
    const excesses = checkTenants(plan(), plan(gathered), figures(1000, gathered), BUDGET_DEFAULTS)
    assert.deepEqual(fields(excesses).sort(), ['cell_factor', 'moved_homes_share', 'pair_factor'])
    const [moved] = excesses
    assert.match(moved!.message, /of 1000 tenants get another home .*by name t\d+, .* and others/)
    assert.ok(
      excesses.some(({ message }) => /cell "cell-0" would be touched by .* of 1000 tenants/.test(message)),
    )
  })

  test('one that adds to them is over budget too, and one that takes from them is not', () => {
    const [few, many] = [pins(799, [0, 1]), pins(800, [0, 1])]
    const of = figures(1000, many)
    assert.ok(fields(checkTenants(plan(few), plan(many), of, BUDGET_DEFAULTS)).includes('cell_factor'))
    assert.deepEqual(checkTenants(plan(many), plan(few), of, BUDGET_DEFAULTS), [])
  })

  test('a few tenants, or one that is nearly all traffic, are chance and no excess', () => {
    const one = pins(1, [0, 1])
    assert.deepEqual(checkTenants(plan(), plan(one), figures(1, one), BUDGET_DEFAULTS), [])
    assert.deepEqual(checkTenants(plan(), plan(one), figures(3, one), BUDGET_DEFAULTS), [])
    const whale = (i: number) => (i === 0 ? 1e6 : 1)
    assert.deepEqual(checkTenants(plan(), plan(one), figures(500, one, whale), BUDGET_DEFAULTS), [])
    assert.deepEqual(checkTenants(plan(), plan(one), figures(0, []), BUDGET_DEFAULTS), [])
  })

  test('homes of a stateful fleet, one cell each, are measured against shards of one', () => {
    const spread = Array.from({ length: 1000 }, (_, i): Override => {
      return { tenant: `t${i}`, cells: [i % 4], reason: 'assignment', generation: 1 }
    })
    assert.deepEqual(
      fields(checkTenants(plan(spread.slice(1)), plan(spread), figures(1000, spread), BUDGET_DEFAULTS)),
      [],
    )
  })

  test('random tenants with heavy tails stay below the limit when a cell is added', () => {
    const seeds = fc.tuple(fc.nat(1e6), fc.integer({ min: 1, max: 400 }), fc.integer({ min: 2, max: 9 }))
    fc.assert(
      fc.property(seeds, ([seed, count, n]) => {
        const policy = { ...POLICY, seed }
        const before = tableOf(null, equalCells(n), policy)
        const after = tableOf(before, equalCells(n + 1), policy)
        const of = measureTenants(
          tenants(count, (i) => 1e4 / (i + 1)),
          policy,
          new Set(),
        )
        const excesses = checkTenants(
          { ...baseOf(before, equalCells(n), policy), overrides: [] },
          { ...baseOf(after, equalCells(n + 1), policy), overrides: [] },
          of,
          BUDGET_DEFAULTS,
        )
        assert.deepEqual(excesses, [])
      }),
      { numRuns: 60 },
    )
  })
})

test('a limit with chance is never below the share, and comes close to it for many equal tenants', () => {
  assert.equal(limitWithChance(0.5, equalParts(1)), 1)
  const many = limitWithChance(0.5, equalParts(1_000_000))
  assert.ok(many > 0.5 && many < 0.51, `${many}`)
})
