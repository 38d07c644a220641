import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { retryDelayMs } from './backoff.ts'
import { verdictOf, verdictWithout } from './outcome.ts'

const POLICY = { attemptsMax: 5, delayFirstMs: 1000, delayMaxMs: 60_000 }

test('delays double, are spread over half of it, and stay bounded', () => {
  assert.equal(retryDelayMs(POLICY, 1, 0), 500)
  assert.equal(retryDelayMs(POLICY, 1, 0.999999), 1000)
  assert.equal(retryDelayMs(POLICY, 4, 0), 4000)
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 10_000 }),
      fc.double({ min: 0, max: 0.999, noNaN: true }),
      (attempt, draw) => {
        const delay = retryDelayMs(POLICY, attempt, draw)
        return delay >= POLICY.delayFirstMs / 2 && delay <= POLICY.delayMaxMs
      },
    ),
  )
})

test('a failure is retried until the attempts are used up, then it is a dead letter', () => {
  const failed = { outcome: 'failed', detail: 'busy' } as const
  assert.equal(verdictOf(failed, 4, POLICY, 0).status, 'retrying')
  assert.deepEqual(verdictOf(failed, 5, POLICY, 0), { status: 'dead_letter', delayMs: 0 })
})

test('a refusal is a dead letter at once', () => {
  assert.equal(
    verdictOf({ outcome: 'refused', detail: 'no such mailbox' }, 1, POLICY, 0).status,
    'dead_letter',
  )
})

test('a provider’s wish for patience lengthens a delay and never shortens it', () => {
  const patient = { outcome: 'failed', detail: 'later', retryAfterMs: 30_000 } as const
  assert.equal(verdictOf(patient, 1, POLICY, 0).delayMs, 30_000)
  const eager = { outcome: 'failed', detail: 'now', retryAfterMs: 1 } as const
  assert.equal(verdictOf(eager, 3, POLICY, 0).delayMs, 2000)
})

test('what has expired is not attempted; nor is what lost its worker in its last attempt', () => {
  assert.equal(verdictWithout({ isExpired: true, attempt: 1 }, POLICY)?.status, 'expired')
  assert.equal(verdictWithout({ isExpired: false, attempt: 6 }, POLICY)?.status, 'dead_letter')
  assert.equal(verdictWithout({ isExpired: false, attempt: 5 }, POLICY), undefined)
})
