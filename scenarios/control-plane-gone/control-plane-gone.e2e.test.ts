import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { startFleet, type TestFleet } from '@cellplane/testing'
import { type GoneResult, loseTheControlPlane } from './run.ts'

describe('a fleet whose control plane is gone', { timeout: 220_000 }, () => {
  let fleet: TestFleet
  let result: GoneResult

  before(async () => {
    fleet = await startFleet({ cells: 4 })
    result = await loseTheControlPlane(fleet, {
      requestsPerSecond: 100,
      goneMs: 20_000,
      seed: 42,
      crash: { cell: 'cell-003', component: 'api' },
    })
  })
  after(() => fleet?.remove())

  test('fails no request, though a component and a router crash meanwhile', () => {
    assert.deepEqual(result.failures, {})
    assert.ok(result.requests >= 2000)
  })

  test('has crashed components restarted by their agent', () => {
    assert.ok(result.componentBackMs < 10_000, `${result.componentBackMs} ms`)
  })

  test('has restarted routers serve from their disks', () => {
    assert.ok(result.routerReadyMs < 10_000, `${result.routerReadyMs} ms`)
  })

  test('is found by the returning control plane as it was', () => {
    assert.equal(result.statesAfter, result.statesBefore)
    assert.equal(result.baseAfter, result.baseBefore)
  })
})
