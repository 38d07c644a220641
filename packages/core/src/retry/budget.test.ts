import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { createRetryBudget } from './budget.ts'

test('a total outage is met with 1.2 times its load and the reserve, over any window', () => {
  const budget = createRetryBudget({ ratio: 0.2, reservePerSecond: 1, windowMs: 10_000 })
  let retries = 0
  for (let now = 0; now < 10_000; now += 5) {
    budget.request(now)
    if (budget.tryRetry(now)) retries++
  }
  assert.equal(retries, 0.2 * 2000 + 10)
})

test('a single request may be retried out of the reserve; without a reserve it may not', () => {
  const spare = createRetryBudget({ reservePerSecond: 0.1 })
  spare.request(0)
  assert.ok(spare.tryRetry(0))
  assert.ok(!spare.tryRetry(0))
  const bare = createRetryBudget({ reservePerSecond: 0 })
  bare.request(0)
  assert.ok(!bare.tryRetry(0))
})

test('what is older than the window counts no more, on either side', () => {
  const budget = createRetryBudget({ ratio: 0.5, reservePerSecond: 0 })
  for (let i = 0; i < 10; i++) budget.request(0)
  for (let i = 0; i < 5; i++) assert.ok(budget.tryRetry(9_999))
  assert.ok(!budget.tryRetry(9_999))
  budget.request(15_000)
  assert.ok(!budget.tryRetry(15_000))
  for (let i = 0; i < 9; i++) budget.request(40_000)
  assert.ok(budget.tryRetry(40_000))
})

test('a clock that jumps, either way, neither throws nor opens the budget', () => {
  const steps = fc.array(fc.integer({ min: -100_000, max: 100_000 }), { maxLength: 100 })
  fc.assert(
    fc.property(steps, (jumps) => {
      const budget = createRetryBudget({ ratio: 0.2, reservePerSecond: 0 })
      let now = 1e12
      for (const jump of jumps) {
        now += jump
        budget.request(now)
        budget.tryRetry(now)
      }
      for (let i = 0; i < 20; i++) budget.request(now)
      const granted = Array.from({ length: 100 }, () => budget.tryRetry(now)).filter(Boolean).length
      assert.ok(granted <= 0.2 * (jumps.length + 20))
    }),
    { numRuns: 50 },
  )
})

test('a budget tells its room without using any of it', () => {
  const budget = createRetryBudget({ reservePerSecond: 0.1 })
  for (let i = 0; i < 3; i++) assert.equal(budget.hasRoom(0), true)
  assert.equal(budget.tryRetry(0), true)
  assert.equal(budget.hasRoom(0), false)
})
