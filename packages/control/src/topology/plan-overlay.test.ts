import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Cell } from '@cellplane/contract'
import { type CellHealth, UNJUDGED } from '@cellplane/core'
import fc from 'fast-check'
import { exampleFleet } from '../fixtures/control-fixture.ts'
import { planDeclarations } from '../registry/declare.ts'
import { type Judging, type Marks, planOverlay } from './plan-overlay.ts'

const NOW = 1_000_000
const SINCE = '1970-01-01T00:00:01.000Z'
const fleet = exampleFleet()
/** Four serving cells, slots 0 to 3, and the quarantine cell, slot 4. */
const cells: Cell[] = planDeclarations(fleet, [], 'local', NOW).map(({ stored }) => ({
  ...stored.cell,
  state: 'active',
}))
const mark = (slot: number): Marks[number] => ({ slot, since: SINCE, reason: 'as it was' })
const unhealthy: CellHealth = {
  ...UNJUDGED,
  ...{ verdict: 'unhealthy', ground: 'requests', since: 2_000, reason: 'as it is' },
}

/** Every cell is ill, and an operator believes it. */
const JUDGING = {
  ...{ fleet, isInBase: () => true, healthOf: () => unhealthy },
  ...{ freeze: null, operator: 'thawed' as const, now: NOW },
}

function slots(current: Marks, healths: Record<number, CellHealth>, more: Partial<Judging> = {}): number[] {
  const healthOf = (slot: number) => healths[slot] ?? UNJUDGED
  return planOverlay(cells, current, {
    fleet,
    isInBase: () => true,
    healthOf,
    freeze: null,
    operator: null,
    now: NOW,
    ...more,
  }).unhealthy.map(({ slot }) => slot)
}
const healthy: CellHealth = { ...UNJUDGED, verdict: 'healthy' }

test('what is unknown keeps the mark that it has, and gets none', () => {
  assert.deepEqual(slots([mark(1)], {}), [1])
  assert.deepEqual(slots([mark(1)], { 1: healthy }), [])
})

test('a mark keeps its first time and reason', () => {
  const judging = { ...JUDGING, operator: null }
  const plan = planOverlay(cells.slice(0, 1), [mark(0)], { ...judging, operator: 'thawed' })
  assert.deepEqual(plan.unhealthy, [mark(0)])
})

test('the quarantine cell is judged alone: it neither counts towards a freeze nor is spared by one', () => {
  assert.deepEqual(slots([], { 0: unhealthy, 1: unhealthy, 4: unhealthy }), [0, 1, 4])
  assert.deepEqual(slots([], { 0: unhealthy, 1: unhealthy, 2: unhealthy, 4: unhealthy }), [4])
})

test('an operator’s freeze leaves every mark as it is, also of cells judged alone', () => {
  const seen = { 0: unhealthy, 1: healthy, 4: unhealthy }
  assert.deepEqual(slots([mark(1)], seen, { operator: 'frozen' }), [1])
  assert.deepEqual(slots([mark(1), mark(4)], { 4: healthy }, { operator: 'frozen' }), [1, 4])
})

test('cells that routers do not know are not marked', () => {
  const one = cells.map((cell) => (cell.slot === 0 ? { ...cell, state: 'provisioning' as const } : cell))
  assert.ok(!planOverlay(one, [], JUDGING).unhealthy.some(({ slot }) => slot === 0))
})

test('no mark is for a slot that the base lacks, though its cell is active, ill and was marked before', () => {
  fc.assert(
    fc.property(fc.subarray([0, 1, 2, 3, 4]), fc.subarray([0, 1, 2, 3, 4]), (inBase, marked) => {
      const judging = { ...JUDGING, isInBase: (slot: number) => inBase.includes(slot) }
      const { unhealthy } = planOverlay(cells, marked.map(mark), judging)
      assert.deepEqual(
        unhealthy.map(({ slot }) => slot),
        inBase,
      )
    }),
  )
})
