import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Cell } from '@cellplane/contract'
import { exampleFleet } from '../fixtures/control-fixture.ts'
import { planDeclarations } from './declare.ts'
import { inState } from './plan-lifecycle.ts'
import { judgeRoom } from './zone-changes.ts'

const NOW = Date.UTC(2026, 0, 1)

/** Six cells, those of one of three zones draining. */
function cellsOf(ceiling?: number): Cell[] {
  const capacity = ceiling === undefined ? {} : { requests_per_second: ceiling }
  const fleet = exampleFleet({
    cells: { count: 6, zones: ['a', 'b', 'c'], capacity },
    quarantine: { enabled: false },
  })
  return planDeclarations(fleet, [], 'local', NOW).map(({ stored: { cell } }) =>
    inState(cell, cell.zone === 'a' ? 'draining' : 'active', NOW),
  )
}

const rates = (each: number) => new Map(cellsOf().map((cell) => [cell.id, each]))

test('what is left is judged by its ceilings against what the whole fleet is asked, those that leave included', () => {
  assert.deepEqual(judgeRoom(cellsOf(100), rates(60)), {
    isShort: false,
    words: 'the 4 cells that are left carry 400 requests/s by their ceilings, and the fleet is asked 360',
  })
  assert.equal(judgeRoom(cellsOf(100), rates(67)).isShort, true)
})

test('what is not declared or not known is said, and is no refusal', () => {
  const undeclared = judgeRoom(cellsOf(), rates(60))
  assert.equal(undeclared.isShort, false)
  assert.match(undeclared.words, /not all declare capacity.requests_per_second/)
  const unseen = judgeRoom(cellsOf(100), null)
  assert.equal(unseen.isShort, false)
  assert.match(unseen.words, /400 requests\/s .* is not known/)
})
