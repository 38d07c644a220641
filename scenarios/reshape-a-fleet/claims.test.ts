/** What is claimed can be found untrue. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { aPlanMoved, movedAsSaid } from './claims.ts'
import type { Share } from './moves.ts'
import type { ReshapeResult, Step } from './run.ts'

function step(shareSaid: Share | null, moved: number, change: Partial<Step> = {}): Step {
  const moves = { places: 100, homes: 50 }
  const shareMoved = { share: moved, of: 500 }
  return { command: '', said: moves, moved: moves, shareSaid, shareMoved, tookMs: 0, ...change }
}

test('traffic moves as was said, to what chance explains of so many requests', () => {
  const said = { share: 0.08, of: 500 }
  assert.deepEqual(
    [0, 0.03, 0.08, 0.14, 0.2].map((moved) => movedAsSaid(step(said, moved))),
    [false, true, true, true, false],
  )
  assert.ok(
    !movedAsSaid(step({ share: 0.08, of: 50_000 }, 0.02)),
    'the more were counted, the less is chance',
  )
  assert.ok(!movedAsSaid(step({ share: 0, of: 500 }, 0.01)))
  assert.ok(movedAsSaid(step(null, 0.5)), 'nothing was said')
})

test('places and homes move as was said, to the last', () => {
  for (const moved of [
    { places: 101, homes: 50 },
    { places: 100, homes: 49 },
  ])
    assert.ok(!movedAsSaid(step(null, 0, { moved })))
})

test('plans that have nothing to move are not enough', () => {
  const result = (...steps: Step[]) => ({ steps }) as ReshapeResult
  const none = { places: 0, homes: 0 }
  const empty = step({ share: 0, of: 500 }, 0, { said: none, moved: none })
  const unplanned = step(null, 0.1)
  assert.ok(!aPlanMoved(result(empty, unplanned)))
  assert.ok(aPlanMoved(result(empty, unplanned, step({ share: 0.08, of: 500 }, 0.07))))
})
