/**
 * A retry budget: retries are at most a share of the requests of the last seconds, plus a small reserve, so that a
 * total outage is met with 1.2 × its load and not with a multiple of it.
 *
 * The reserve lets a quiet cell's rare request be retried too. The window is a ring of ten parts; its memory is fixed.
 */
export type RetryBudgetPolicy = {
  /** Retries to requests. */
  ratio: number
  /** Retries a second beyond the ratio. */
  reservePerSecond: number
  windowMs: number
}

/** The ratio and window that Finagle and linkerd settled on. */
export const RETRY_BUDGET_POLICY: RetryBudgetPolicy = { ratio: 0.2, reservePerSecond: 1, windowMs: 10_000 }

export type RetryBudget = {
  /** Counts a first attempt. `now` in ms since the epoch. */
  request(now: number): void
  /** Whether one more retry fits. */
  hasRoom(now: number): boolean
  /** True, and counted, when one more retry fits. */
  tryRetry(now: number): boolean
}

const PARTS = 10

export function createRetryBudget(policy: Partial<RetryBudgetPolicy> = {}): RetryBudget {
  const { ratio, reservePerSecond, windowMs } = { ...RETRY_BUDGET_POLICY, ...policy }
  const partMs = windowMs / PARTS
  const reserve = (reservePerSecond * windowMs) / 1000
  const requests = new Float64Array(PARTS)
  const retries = new Float64Array(PARTS)
  let newest = Number.NEGATIVE_INFINITY

  /** Empties the parts that time has passed over; returns the current one. A clock that steps back stays in it. */
  function advance(now: number): number {
    const part = Math.floor(now / partMs)
    const passed = Math.min(part - newest, PARTS)
    for (let i = 0; i < passed; i++) {
      requests[mod(part - i)] = 0
      retries[mod(part - i)] = 0
    }
    newest = Math.max(newest, part)
    return mod(newest)
  }

  function hasRoom(now: number): boolean {
    advance(now)
    return sum(retries) + 1 <= ratio * sum(requests) + reserve
  }

  return {
    hasRoom,
    request(now) {
      requests[advance(now)]!++
    },
    tryRetry(now) {
      if (!hasRoom(now)) return false
      retries[advance(now)]!++
      return true
    },
  }
}

function mod(part: number): number {
  return ((part % PARTS) + PARTS) % PARTS
}

function sum(counts: Float64Array): number {
  return counts.reduce((total, count) => total + count, 0)
}
