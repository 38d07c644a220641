import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import { budgetLeft, burnConditions, burning, burnRate, type Counts } from './burn-rate.ts'

const DAY = 86_400
const MONTH = { target: 0.999, periodSeconds: 30 * DAY }

/** Counts of windows at second `now` of a cell with one request a second, of which those in [from, until) failed. */
function windowsOf(now: number, from: number, until: number): (seconds: number) => Counts {
  return (seconds) => {
    const since = Math.max(0, now - seconds)
    const bad = Math.max(0, Math.min(now, until) - Math.max(since, from))
    return { total: now - since, good: now - since - bad }
  }
}

describe('conditions', () => {
  test('are those of the workbook for 30 days', () => {
    assert.deepEqual(
      burnConditions(30 * DAY).map(({ severity, shortSeconds, longSeconds, factor }) => [
        severity,
        shortSeconds,
        longSeconds,
        Math.round(factor * 1000) / 1000,
      ]),
      [
        ['page', 300, 3_600, 14.4],
        ['page', 1_800, 21_600, 6],
        ['ticket', 7_200, DAY, 3],
        ['ticket', 21_600, 3 * DAY, 1],
      ],
    )
  })
  test('stand for the same share of another period’s budget, and never for a burn that leaves some over', () => {
    assert.deepEqual(
      burnConditions(28 * DAY).map(({ factor }) => Math.round(factor * 1000) / 1000),
      [13.44, 5.6, 2.8, 1],
    )
    fc.assert(
      fc.property(fc.integer({ min: 3_600, max: 366 * DAY }), (periodSeconds) => {
        for (const { factor, longSeconds } of burnConditions(periodSeconds)) {
          assert.ok(factor >= 1)
          assert.ok(longSeconds <= periodSeconds)
        }
      }),
    )
  })
})

describe('a burn rate', () => {
  test('is 1 when the whole period fails at just what the objective leaves', () => {
    assert.equal(Math.round(burnRate({ total: 1_000, good: 999 }, 0.999) * 1e6) / 1e6, 1)
    assert.ok(Math.abs(budgetLeft({ total: 1_000, good: 999 }, 0.999)) < 1e-9)
  })
  test('is 0 without events', () => {
    assert.equal(burnRate({ total: 0, good: 0 }, 0.999), 0)
    assert.deepEqual(
      burning(MONTH, () => ({ total: 0, good: 0 })),
      [],
    )
  })
})

describe('a total outage of one cell', () => {
  const STARTED = 10 * DAY
  test('pages within a minute', () => {
    const after = (seconds: number) => burning(MONTH, windowsOf(STARTED + seconds, STARTED, Infinity))
    assert.deepEqual(after(45), [])
    assert.equal(after(60)[0]?.severity, 'page')
  })
  test('is over for the alert five minutes after it ended', () => {
    const ENDED = STARTED + 90
    const after = (seconds: number) => burning(MONTH, windowsOf(ENDED + seconds, STARTED, ENDED))
    assert.equal(after(60)[0]?.severity, 'page')
    assert.deepEqual(after(300), [])
  })
})

test('a ripple of some seconds wakes nobody', () => {
  const STARTED = 10 * DAY
  for (let seconds = 0; seconds <= 600; seconds += 5) {
    assert.deepEqual(burning(MONTH, windowsOf(STARTED + seconds, STARTED, STARTED + 30)), [], `${seconds} s`)
  }
})

test('conditions hold apart from each other: the longer goes on when the shorter is over', () => {
  const [STARTED, ENDED] = [10 * DAY, 10 * DAY + 600]
  const windowsAfter = (seconds: number) =>
    burning(MONTH, windowsOf(ENDED + seconds, STARTED, ENDED)).map(({ shortSeconds }) => shortSeconds)
  assert.deepEqual(windowsAfter(0).slice(0, 2), [300, 1_800])
  assert.ok(!windowsAfter(300).includes(300))
  assert.ok(windowsAfter(300).includes(1_800))
})

test('a slow burn is a ticket, and no page', () => {
  // Four requests in a thousand, for days.
  const countsOf = (seconds: number) => ({ total: seconds, good: seconds * 0.996 })
  assert.deepEqual(
    burning(MONTH, countsOf).map(({ severity }) => severity),
    ['ticket', 'ticket'],
  )
})
