import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import { BEYOND_RATE, rescaleDebt, takeToken, tokenWaitMs } from './rate.ts'

/** How many of the requests at these times (ms) a limit lets through. */
function admitted(times: readonly number[], ratePerSecond: number, burst: number): number {
  let until = 0
  let count = 0
  for (const now of times) {
    const next = takeToken(until, now, ratePerSecond, burst)
    if (next === BEYOND_RATE) continue
    until = next
    count++
  }
  return count
}

describe('a rate limit', () => {
  test('lets a burst through at once, and then the rate', () => {
    const atOnce = Array.from({ length: 50 }, () => 1_000)
    assert.equal(admitted(atOnce, 10, 5), 5)
    const everyMs = Array.from({ length: 10_000 }, (_, ms) => 1_000 + ms)
    assert.equal(admitted(everyMs, 10, 5), 5 + 99)
  })

  test('lets all of a steady flow at its rate through', () => {
    const steady = Array.from({ length: 1_000 }, (_, i) => 1_000 + i * 100)
    assert.equal(admitted(steady, 10, 1), 1_000)
  })

  test('that was idle has its whole burst, and no more', () => {
    assert.equal(admitted([0, ...Array.from({ length: 50 }, () => 3_600_000)], 10, 5), 6)
  })

  test('in any stretch of time lets through at most the burst and the rate', () => {
    fc.assert(
      fc.property(
        fc.array(fc.integer({ min: 0, max: 200 }), { minLength: 1, maxLength: 300 }),
        fc.integer({ min: 1, max: 200 }),
        fc.integer({ min: 1, max: 20 }),
        (gaps, rate, burst) => {
          let now = 1_000
          const times = gaps.map((gap) => {
            now += gap
            return now
          })
          const seconds = (times.at(-1)! - times[0]!) / 1000
          assert.ok(admitted(times, rate, burst) <= burst + rate * seconds + 1e-6)
        },
      ),
    )
  })

  test('is not loosened by a clock that steps back', () => {
    const until = takeToken(0, 10_000, 10, 1)
    assert.equal(takeToken(until, 5_000, 10, 1), BEYOND_RATE)
  })

  test('tells when one more fits: then, and not before', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 200 }),
        fc.integer({ min: 1, max: 20 }),
        fc.integer({ min: 0, max: 500 }),
        (ratePerSecond, burst, later) => {
          let until = 0
          for (let i = 0; i < burst; i++) until = takeToken(until, 1_000, ratePerSecond, burst)
          const now = 1_000 + later
          const waitMs = tokenWaitMs(until, now, ratePerSecond, burst)
          assert.notEqual(takeToken(until, now + waitMs + 1e-6, ratePerSecond, burst), BEYOND_RATE)
          if (waitMs > 0.01)
            assert.equal(takeToken(until, now + waitMs - 0.01, ratePerSecond, burst), BEYOND_RATE)
        },
      ),
    )
  })
})

describe('a rate that changes', () => {
  const NOW = 1_000_000

  test('counts what was taken as as many requests at the new rate', () => {
    // Taken at one in ten minutes, it is worth 100 ms at ten a second, and its ten minutes again when that is back.
    const taken = takeToken(0, NOW, 1 / 600, 1)
    const risen = rescaleDebt(taken, NOW, 1 / 600, 10, 10)
    assert.ok(Math.abs(risen - NOW - 100) < 1e-3)
    assert.ok(Math.abs(rescaleDebt(risen, NOW, 10, 1 / 600, 1) - taken) < 1e-3)
  })

  test('lets through, over any changes of it, no more than its bursts and what each rate let through in its time', () => {
    const rate = fc.double({ min: 0.01, max: 100, noNaN: true })
    fc.assert(
      fc.property(fc.array(rate, { minLength: 1, maxLength: 20 }), (rates) => {
        let until = 0
        let before = { rate: 0, burst: 0 }
        let room = 0
        let admitted = 0
        for (const [second, rate] of rates.entries()) {
          const at = NOW + second * 1_000
          const burst = Math.max(1, rate)
          until = rescaleDebt(until, at, before.rate, rate, burst)
          room += Math.max(0, burst - before.burst) + rate
          for (let ms = 0; ms < 1_000; ms += 5) {
            const next = takeToken(until, at + ms, rate, burst)
            if (next === BEYOND_RATE) continue
            until = next
            admitted++
          }
          before = { rate, burst }
        }
        assert.ok(admitted <= room + 1e-6, `${admitted} of ${room}`)
      }),
    )
  })

  test('that falls keeps the limit closed for no longer than its burst lasts', () => {
    let until = 0
    for (let i = 0; i < 1_000; i++) until = takeToken(until, NOW, 1_000, 1_000)
    assert.equal(rescaleDebt(until, NOW, 1_000, 10, 10), NOW + 1_000)
  })

  test('that was none, or is none from now on, leaves nothing taken', () => {
    assert.equal(rescaleDebt(NOW + 500, NOW, 0, 10, 10), NOW)
    assert.equal(rescaleDebt(NOW + 500, NOW, 10, 0, 1), NOW)
    assert.equal(rescaleDebt(NOW - 500, NOW, 10, 20, 20), NOW - 500)
  })
})
