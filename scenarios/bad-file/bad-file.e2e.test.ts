import assert from 'node:assert/strict'
import { before, describe, test } from 'node:test'
import { countAll } from '../present.ts'
import { ROUTERS } from './claims.ts'
import { type BadFileResult, publishBadFiles } from './run.ts'

describe('a control plane that publishes bad documents', { timeout: 240_000 }, () => {
  let result: BadFileResult

  before(async () => {
    result = await publishBadFiles({ cells: 4, tenants: 60, requestsPerSecond: 60, seed: 42 })
  })

  test('changes nothing for any request', (t) => {
    t.diagnostic(JSON.stringify(result))
    assert.equal(countAll(result.failures), 0, JSON.stringify(result.failures))
    assert.equal(result.moved, 0)
    assert.ok(result.requests > 0)
  })

  test('has each of them refused by every router, and marks of all cells ignored', () => {
    assert.ok(Object.keys(result.refusedBy).length >= 18)
    for (const [document, routers] of Object.entries(result.refusedBy))
      assert.equal(routers, ROUTERS, document)
    assert.match(result.marksIgnoredBecause, /4 of 4 cells are marked unhealthy/)
    assert.equal(result.versionAfter, result.versionBefore)
  })

  test('does not keep a router from starting, which serves from its disk', () => {
    assert.deepEqual(result.freshRouter, { right: 60, asked: 60 })
  })
})
