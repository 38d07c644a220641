import assert from 'node:assert/strict'
import { before, describe, test } from 'node:test'
import { TOPOLOGY_TTL_SECONDS } from '@cellplane/core'
import { SECOND_ATTEMPTS_SHARE_MAX } from './claims.ts'
import { type DayResult, liveWithoutControlPlane } from './run.ts'

describe('a day without the control plane, in virtual time', { timeout: 240_000 }, () => {
  let day: DayResult

  before(async () => {
    day = await liveWithoutControlPlane({
      cells: 8,
      tenants: 60,
      requestsPerSecond: 4,
      outages: 40,
      seed: 42,
    })
  })

  test('stops nothing: routers find each outage themselves, at the price of second attempts', (t) => {
    t.diagnostic(JSON.stringify(day))
    assert.ok(day.requests > 24 * 3600 * 4)
    assert.equal(day.failures, 0)
    assert.ok(day.secondAttempts < SECOND_ATTEMPTS_SHARE_MAX * day.requests, `${day.secondAttempts}`)
  })

  test('lets a mark lapse that nobody confirms, and its tenants go home', () => {
    assert.deepEqual(day.leftMarked, [3])
    assert.ok(day.markLapsedAfterS <= TOPOLOGY_TTL_SECONDS + 1, `${day.markLapsedAfterS} s`)
    assert.deepEqual(day.homeAgain, { right: 60, asked: 60 })
  })

  test('does not keep a router from starting, which routes as the others do', () => {
    assert.deepEqual(day.restarted, { right: 60, asked: 60 })
  })

  test('ends without anything changing: no request goes elsewhere, and the old mark does not come back', () => {
    assert.equal(day.movedByReturn, 0)
    assert.equal(day.marksAfterReturn, 0)
    assert.deepEqual(day.refusals, [])
  })
})
