/**
 * The scenario's tests, on a fleet that somebody else started: whoever has one of several zones at hand runs them there, since its start
 * takes longer than they do.
 */
import assert from 'node:assert/strict'
import { before, describe, test } from 'node:test'
import type { TestFleet } from '@cellplane/testing'
import { aPlanMoved, movedAsSaid, nothingIsLost } from './claims.ts'
import { type ReshapeResult, reshape } from './run.ts'

export function testReshaping(fleet: () => TestFleet): void {
  describe('a fleet that is given another shape', () => {
    let result: ReshapeResult

    before(async () => {
      result = await reshape(fleet(), { requestsPerSecond: 60, seed: 42 })
    })

    test('fails no request', () => {
      assert.deepEqual(result.failures, {})
    })

    test('moves what was said, by each command', (t) => {
      t.diagnostic(JSON.stringify(result.steps))
      assert.equal(result.steps.length, 6)
      for (const step of result.steps) assert.ok(movedAsSaid(step), JSON.stringify(step))
      assert.ok(aPlanMoved(result), 'one of the plans that were read has something to move')
    })

    test('does not leave a zone that holds too many of its cells', () => {
      assert.match(result.refusal, /cells lose all of their tenants at once.*the budget allows/)
    })

    test('finds every notification that was accepted by its id', (t) => {
      t.diagnostic(JSON.stringify(result.readBack))
      assert.ok(nothingIsLost(result), JSON.stringify([result.accepted, result.readBack]))
    })
  })
}
