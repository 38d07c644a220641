import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Cell } from '@cellplane/contract'
import type { CellFacts } from '@cellplane/core'
import { exampleFleet } from '../fixtures/control-fixture.ts'
import { planDeclarations } from './declare.ts'
import { inState, type LifecycleInput, planLifecycle } from './plan-lifecycle.ts'

const NOW = Date.UTC(2026, 0, 1)
const cells = planDeclarations(exampleFleet(), [], 'local', NOW).map(({ stored }) => stored.cell)

function facts(cell: Cell, changes: Partial<CellFacts> = {}): CellFacts {
  return {
    cell: cell.id,
    isServing: true,
    blockedBecause: null,
    activeCells: 4,
    shardSize: 2,
    isLeftByRouters: true,
    inFlight: 0,
    holdings: { undelivered: 0, retained: 0, retained_until: null },
    mustReportHoldings: true,
    force: false,
    ...changes,
  }
}

function plan(changes: Partial<LifecycleInput>) {
  return planLifecycle({
    cells,
    factsOf: (cell) => facts(cell),
    isFirstPlacement: true,
    firstPlacementWaitMs: 20_000,
    drainSettleMs: 5_000,
    emptySince: new Map(),
    now: NOW,
    ...changes,
  })
}

const ids = (list: readonly Cell[]) => list.map((cell) => cell.id)

test('cells that become ready in one look become active together', () => {
  const result = plan({})
  assert.deepEqual(
    result.steps.map((step) => step.to),
    Array(5).fill('ready'),
  )
  assert.deepEqual(ids(result.activations), ids(cells))
})

test('the first placement waits for declared cells, and not for ever', () => {
  const ready = cells.map((cell, i) => (i < 3 ? inState(cell, 'ready', NOW) : cell))
  const factsOf = (cell: Cell) => facts(cell, { isServing: cell.slot < 3 })
  const waiting = plan({ cells: ready, factsOf, now: NOW + 19_999 })
  assert.deepEqual(waiting.activations, [])
  assert.match(waiting.waiting.get('cell-001') ?? '', /waits for cell-004, quarantine/)
  const late = plan({ cells: ready, factsOf, now: NOW + 20_000 })
  assert.deepEqual(ids(late.activations), ['cell-001', 'cell-002', 'cell-003'])
})

test('a later cell waits for nobody', () => {
  const factsOf = (cell: Cell) => facts(cell, { isServing: cell.slot === 0 })
  assert.deepEqual(ids(plan({ factsOf, isFirstPlacement: false }).activations), ['cell-001'])
})

test('a cell that shares a store does not become ready', () => {
  const factsOf = (cell: Cell) =>
    facts(cell, { blockedBecause: cell.slot === 1 ? 'it shares a store' : null })
  const result = plan({ factsOf, isFirstPlacement: false })
  assert.ok(!ids(result.activations).includes('cell-002'))
  assert.match(result.waiting.get('cell-002') ?? '', /it shares a store/)
})

test('a draining cell is drained once it has looked empty for long enough without a break', () => {
  const draining = [inState(cells[0]!, 'draining', NOW)]
  const first = plan({ cells: draining })
  assert.deepEqual([first.steps, first.emptySince.get('cell-001')], [[], NOW])
  const busy = plan({
    cells: draining,
    emptySince: first.emptySince,
    now: NOW + 4_000,
    factsOf: (cell) => facts(cell, { inFlight: 1 }),
  })
  assert.equal(busy.emptySince.size, 0, 'a break starts the time anew')
  const done = plan({ cells: draining, emptySince: first.emptySince, now: NOW + 5_000 })
  assert.deepEqual(
    done.steps.map((step) => step.to),
    ['drained'],
  )
})

test('a lost cell is drained too, for only then can it be retired', () => {
  const draining = [inState(cells[0]!, 'draining', NOW)]
  const factsOf = (cell: Cell) => facts(cell, { holdings: null })
  const emptySince = new Map([['cell-001', NOW]])
  const result = plan({ cells: draining, factsOf, emptySince, now: NOW + 5_000 })
  assert.deepEqual(
    result.steps.map((step) => step.to),
    ['drained'],
  )
})
