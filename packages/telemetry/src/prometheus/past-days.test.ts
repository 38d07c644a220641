import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Counts } from '@cellplane/core'
import { AVAILABILITY, type Window } from '../fleet-metrics.ts'
import { rememberPastDays } from './past-days.ts'

const DAY = 86_400
const NOON = Date.UTC(2026, 2, 31, 12)

/** One request a second at one cell, half of them good. */
function ground() {
  const asked: Window[] = []
  const counts = rememberPastDays(async (window) => {
    asked.push(window)
    return new Map<string, Counts>([['cell-001', { total: window.seconds, good: window.seconds / 2 }]])
  })
  return { asked, counts: (window: Window) => counts(window, AVAILABILITY) }
}

test('a window of up to two days is asked for in whole, each time', async () => {
  const { asked, counts } = ground()
  const window = { until: NOON, seconds: 2 * DAY }
  await counts(window)
  await counts(window)
  assert.deepEqual(asked, [window, window])
})

test('a longer one is the sum of its days and of the rests at both ends', async () => {
  const { asked, counts } = ground()
  const found = await counts({ until: NOON, seconds: 30 * DAY })
  assert.deepEqual(found.get('cell-001'), { total: 30 * DAY, good: 15 * DAY })
  assert.equal(asked.length, 31)
  assert.ok(asked.every(({ seconds }) => seconds <= DAY))
})

test('a past day is asked for once, and the rests each time', async () => {
  const { asked, counts } = ground()
  await counts({ until: NOON, seconds: 30 * DAY })
  asked.length = 0
  const found = await counts({ until: NOON + 10_000, seconds: 30 * DAY })
  assert.equal(found.get('cell-001')!.total, 30 * DAY)
  assert.deepEqual(
    asked.map(({ seconds }) => seconds),
    [DAY / 2 - 10, DAY / 2 + 10],
  )
})

test('a day that is just over is asked for again, until its last scrapes are surely there', async () => {
  const { asked, counts } = ground()
  const midnight = Date.UTC(2026, 3, 1)
  const endsAsked = () => asked.splice(0).map(({ until }) => until)
  await counts({ until: midnight + 60_000, seconds: 3 * DAY })
  endsAsked()
  await counts({ until: midnight + 120_000, seconds: 3 * DAY })
  assert.ok(endsAsked().includes(midnight))
  await counts({ until: midnight + 3_600_000, seconds: 3 * DAY })
  endsAsked()
  await counts({ until: midnight + 3_610_000, seconds: 3 * DAY })
  assert.ok(!endsAsked().includes(midnight))
})

test('a day that a clock which was ahead took for past is asked for again', async () => {
  const { asked, counts } = ground()
  const days = (count: number) => count * DAY * 1_000
  await counts({ until: NOON + days(5), seconds: 30 * DAY })
  await counts({ until: NOON, seconds: 30 * DAY })
  asked.length = 0
  await counts({ until: NOON + days(5), seconds: 30 * DAY })
  const ends = asked.filter(({ seconds }) => seconds === DAY).map(({ until }) => until)
  const midnight = Date.UTC(2026, 3, 1)
  assert.deepEqual(
    ends,
    [0, 1, 2, 3, 4].map((day) => midnight + days(day)),
  )
})

test('a day that had no answer is asked for again, and the others are not', async () => {
  let isDown = true
  let asked = 0
  const counts = rememberPastDays(async ({ until }) => {
    asked++
    if (isDown && until === Date.UTC(2026, 2, 30)) throw new Error('down')
    return new Map()
  })
  const window = { until: NOON, seconds: 10 * DAY }
  await assert.rejects(counts(window, AVAILABILITY), /down/)
  isDown = false
  asked = 0
  await counts(window, AVAILABILITY)
  assert.equal(asked, 3)
})
