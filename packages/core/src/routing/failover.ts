/**
 * What may be sent to another cell than the home, and what may be sent twice. The two are different questions.
 *
 * The route's policy says what an alternate cell may do at all: `any` everything; `idempotent` what can be repeated;
 * `read` what changes nothing; `home-only` nothing. Whether a request may be *repeated* depends on what has reached the
 * first cell. Nothing reached it (the connection failed): then this is no repetition, and the policy alone decides.
 * Something reached it: it may have been processed, so only what is safe to do twice goes out again, whatever the
 * policy.
 */
import type { FailoverPolicy } from '@cellplane/contract'

/** Whether an alternate may be chosen for the request from the start. */
export function mayFailOver(policy: FailoverPolicy, method: string, hasIdempotencyKey: boolean): boolean {
  switch (policy) {
    case 'any':
      return true
    case 'idempotent':
      return isRepeatable(method, hasIdempotencyKey)
    case 'read':
      return isRead(method)
    case 'home-only':
      return false
  }
}

/** Whether a request that failed at one cell may be tried at another of its shard. */
export function mayRetry(
  policy: FailoverPolicy,
  method: string,
  hasIdempotencyKey: boolean,
  sent: 'nothing' | 'something',
): boolean {
  const mayGoElsewhere = mayFailOver(policy, method, hasIdempotencyKey)
  return mayGoElsewhere && (sent === 'nothing' || isRepeatable(method, hasIdempotencyKey))
}

/** Methods that change nothing (RFC 9110, section 9.2.1). */
export function isRead(method: string): boolean {
  return method === 'GET' || method === 'HEAD' || method === 'OPTIONS'
}

/** RFC 9110, section 9.2.2, and whatever carries an Idempotency-Key. */
function isRepeatable(method: string, hasIdempotencyKey: boolean): boolean {
  return isRead(method) || method === 'PUT' || method === 'DELETE' || hasIdempotencyKey
}
