/** What becomes of a notification, given what an attempt brought. Pure: the whole retry policy is here. */
import type { SendResult } from '../providers/provider.ts'
import type { Job, Outcome } from '../store/queue.ts'
import { retryDelayMs } from './backoff.ts'
import type { RetryPolicy } from './config.ts'

export type Verdict = Pick<Outcome, 'status' | 'delayMs'>

/** Before an attempt: the verdict when there is to be none. */
export function verdictWithout(
  job: Pick<Job, 'isExpired' | 'attempt'>,
  policy: RetryPolicy,
): Verdict | undefined {
  if (job.isExpired) return { status: 'expired', delayMs: 0 }
  // The worker of the last allowed attempt died; one more would be one too many.
  if (job.attempt > policy.attemptsMax) return { status: 'dead_letter', delayMs: 0 }
  return undefined
}

/** After an attempt. `draw` is in [0, 1). */
export function verdictOf(result: SendResult, attempt: number, policy: RetryPolicy, draw: number): Verdict {
  if (result.outcome === 'delivered') return { status: 'delivered', delayMs: 0 }
  if (result.outcome === 'refused' || attempt >= policy.attemptsMax)
    return { status: 'dead_letter', delayMs: 0 }
  const delayMs = Math.max(retryDelayMs(policy, attempt, draw), result.retryAfterMs ?? 0)
  return { status: 'retrying', delayMs }
}
