/** What a tenant had by name stays reachable: the rule, and by the routing decision itself on bases that the planner makes. */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import {
  type Cell,
  FORMER_OVERRIDE_CELLS_MAX,
  FORMER_OVERRIDES_MAX,
  type FormerOverride,
  type Override,
  type TopologyBase,
} from '@cellplane/contract'
import { buildRoutingIndex, shardRow, shardsOf } from '@cellplane/core'
import fc from 'fast-check'
import { exampleFleet } from '../fixtures/control-fixture.ts'
import { planDeclarations } from '../registry/declare.ts'
import { keepFormerOverrides } from './former-overrides.ts'
import { planBase } from './plan-base.ts'

const NOW = Date.UTC(2026, 0, 1)
const HOUR = 3_600_000
const LATER = new Date(NOW + HOUR).toISOString()

const pin = (tenant: string, ...cells: number[]): Override => {
  return { tenant, cells, reason: 'pin', generation: 0 }
}

function keep(
  former: FormerOverride[],
  before: Override[],
  next: Override[],
  {
    now = NOW,
    retired = [] as number[],
    released = [] as { tenant: string; until: string; cell: number }[],
  } = {},
) {
  const until = new Date(now + HOUR).toISOString()
  return keepFormerOverrides({
    ...{ former, before, next, released, until, now },
    mayAnswer: (slot) => !retired.includes(slot),
  })
}

function kept(...args: Parameters<typeof keep>): FormerOverride[] {
  const result = keep(...args)
  assert.ok(result.ok, JSON.stringify(result))
  return result.value
}

describe('a former override', () => {
  test('is what a tenant had by name and has no more', () => {
    assert.deepEqual(kept([], [pin('a', 1, 2)], []), [{ tenant: 'a', cells: [1, 2], until: LATER }])
    assert.deepEqual(kept([], [pin('a', 1, 2)], [pin('a', 2, 3)]), [
      { tenant: 'a', cells: [1], until: LATER },
    ])
    assert.deepEqual(kept([], [pin('a', 1, 2)], [pin('a', 2, 1)]), [])
    assert.deepEqual(kept([], [], [pin('a', 1)]), [])
  })

  test('keeps the newest cells first, and all of them as long as those', () => {
    const first = kept([], [pin('a', 1)], [pin('a', 2)])
    assert.deepEqual(kept(first, [pin('a', 2)], [pin('a', 3)], { now: NOW + 60_000 }), [
      { tenant: 'a', cells: [2, 1], until: new Date(NOW + 60_000 + HOUR).toISOString() },
    ])
  })

  test('ends with its time, with its cell, and when the tenant has the cell again', () => {
    const former = [{ tenant: 'a', cells: [1], until: LATER }]
    assert.deepEqual(kept(former, [], [], { now: NOW + HOUR - 1 }), former)
    assert.deepEqual(kept(former, [], [], { now: NOW + HOUR }), [])
    assert.deepEqual(kept(former, [], [], { retired: [1] }), [])
    assert.deepEqual(kept(former, [], [pin('a', 1)]), [])
  })

  test('is the quarantine cell of who was let out, as long as from then on, and the same each time it is planned', () => {
    const released = [{ tenant: 'a', until: LATER, cell: 9 }]
    const first = kept([], [], [], { released })
    assert.deepEqual(first, [{ tenant: 'a', cells: [9], until: LATER }])
    assert.deepEqual(kept(first, [], [], { released, now: NOW + 60_000 }), first)
    assert.deepEqual(kept(first, [], [], { now: NOW + 60_000 }), first)
    assert.deepEqual(kept(first, [], [], { released, now: NOW + HOUR }), [])
    const pinned = kept(first, [pin('a', 1)], [], { released, now: NOW + 60_000 })
    assert.deepEqual(pinned, [
      { tenant: 'a', cells: [1, 9], until: new Date(NOW + 60_000 + HOUR).toISOString() },
    ])
  })

  test('is never given up for want of room: the change is refused, with what would do', () => {
    const many = Array.from({ length: FORMER_OVERRIDES_MAX + 1 }, (_, i) => pin(`t${i}`, 1))
    const refused = keep([], many, [])
    assert.ok(!refused.ok)
    assert.equal(refused.problems[0]!.code, 'FORMER_OVERRIDES_FULL')
    assert.match(refused.problems[0]!.message, /20001 tenants .* 20000 are kept; wait until 2026-01-01T01/)
    const released = [{ tenant: 'let-out', until: LATER, cell: 9 }]
    assert.equal(
      kept([], many.slice(1), [], { released }).length,
      FORMER_OVERRIDES_MAX,
      'nobody asked for it',
    )
    const cells = Array.from({ length: FORMER_OVERRIDE_CELLS_MAX }, (_, i) => i)
    assert.ok(!keep([{ tenant: 'a', cells, until: LATER }], [pin('a', 99)], []).ok)
  })
})

const CELLS = 6
const fleet = exampleFleet({ cells: { count: CELLS, retention_hours: 1 }, quarantine: { enabled: false } })
const cells = planDeclarations(fleet, [], 'local', NOW).map(
  ({ stored: { cell } }): Cell => ({
    ...cell,
    state: 'active',
    endpoint: `http://127.0.0.1:${9000 + cell.slot}`,
  }),
)

function planned(overrides: Override[], current: TopologyBase | null, now: number): TopologyBase {
  const result = planBase({
    ...{ fleet, cells, overrides, tenants: [], current, epoch: 1, now, bounds: 'keep' },
  })
  assert.ok(result.ok, JSON.stringify(result))
  return { ...result.value.base, signature: { algorithm: 'Ed25519', key_id: 'k', value: 'v' } }
}

/** Slots that the tenant's ids are followed to. */
function reached(base: TopologyBase, tenant: string): Set<number> {
  const index = buildRoutingIndex(base)
  assert.ok(index.ok)
  const reach = shardsOf(index.value, shardRow(index.value, tenant), tenant)
  return new Set(reach.map((one) => index.value.cells[one]!.slot))
}

test('whatever is pinned and unpinned in whatever order, every cell that a tenant had within the retention is reached', () => {
  const tenants = ['acme', 'globex', 'initech']
  const slots = cells.map((cell) => cell.slot)
  const step = fc.record({
    tenant: fc.constantFrom(...tenants),
    cells: fc.option(fc.shuffledSubarray(slots, { minLength: 1, maxLength: 2 })),
    minutes: fc.integer({ min: 0, max: 40 }),
  })
  fc.assert(
    fc.property(fc.array(step, { maxLength: 8 }), (steps) => {
      let now = NOW
      let pins: Override[] = []
      let base = planned(pins, null, now)
      /** When each tenant had each cell last. */
      const had = new Map<string, number>()
      const note = () => {
        for (const { tenant, cells } of pins) for (const slot of cells) had.set(`${tenant} ${slot}`, now)
      }
      for (const { tenant, cells, minutes } of steps) {
        now += minutes * 60_000
        note()
        pins = pins.filter((one) => one.tenant !== tenant)
        if (cells) pins.push(pin(tenant, ...cells))
        base = planned(pins, base, now)
        for (const [which, at] of had) {
          const [whose, slot] = which.split(' ') as [string, string]
          if (now - at < HOUR) assert.ok(reached(base, whose).has(Number(slot)), which)
        }
      }
    }),
    { numRuns: 60 },
  )
})
