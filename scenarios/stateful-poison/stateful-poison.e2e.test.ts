import assert from 'node:assert/strict'
import { before, describe, test } from 'node:test'
import { type StatefulResult, throttleAtHome } from './run.ts'

const CELL_REQUESTS_PER_SECOND = 100
/** A tenant of a stateful fleet has one cell, so its cap is the whole of that cell's. */
const THROTTLE_PER_SECOND = CELL_REQUESTS_PER_SECOND / 10

describe('a tenant of a stateful fleet whose requests fail', { timeout: 180_000 }, () => {
  let result: StatefulResult

  before(async () => {
    result = await throttleAtHome({
      cells: 3,
      tenants: 30,
      requestsPerSecond: 120,
      // Less than a quarter of all requests, beyond which a person has to decide.
      badRequestsPerSecond: 2.5 * THROTTLE_PER_SECOND,
      cellRequestsPerSecond: CELL_REQUESTS_PER_SECOND,
      beforeMs: 2_000,
      throttledMs: 2_000,
      seed: 42,
    })
  })

  test('is throttled at home, to a tenth of its cap over all routers', (t) => {
    t.diagnostic(JSON.stringify(result))
    const { mode, throttled } = result
    assert.equal(mode, 'throttle')
    assert.ok(throttled.refused > 0, 'nothing was refused')
    const most = (THROTTLE_PER_SECOND * throttled.ms) / 1000
    // Two routers' bursts, and what a machine that stands still lets through in one go.
    assert.ok(
      throttled.letThrough < 2 * most,
      `${throttled.letThrough} were let through; ${most} at its rate`,
    )
  })

  test('is diverted where any cell may serve, and nowhere else', () => {
    assert.deepEqual(result.anyRouteCells, ['quarantine'])
  })

  test('costs its neighbours nothing', () => {
    assert.ok(result.good.requests > 100, `${result.good.requests} requests`)
    assert.equal(result.good.failures, 0)
  })

  test('is served as before once an operator has let it out', () => {
    assert.equal(result.refusedAfterRelease, 0)
  })
})
