import assert from 'node:assert/strict'
import { test } from 'node:test'
import { troubleIn } from './trouble.ts'

const [GOOD, BAD, NONE] = [
  { total: 100, good: 100 },
  { total: 100, good: 0 },
  { total: 0, good: 0 },
]

test('trouble lasts from the begin of the first bad step to the end of the last, whatever is between', () => {
  const steps = { counts: [GOOD, BAD, NONE, GOOD, BAD, GOOD], until: 60_000, stepMs: 10_000 }
  assert.deepEqual(troubleIn(steps, 0.999, 14.4), { from: 10_000, until: 50_000 })
})

test('a step that burns more slowly is none', () => {
  const steps = { counts: [{ total: 1_000, good: 990 }], until: 10_000, stepMs: 10_000 }
  assert.equal(troubleIn(steps, 0.999, 14.4), null)
  assert.deepEqual(troubleIn(steps, 0.999, 6), { from: 0, until: 10_000 })
})
