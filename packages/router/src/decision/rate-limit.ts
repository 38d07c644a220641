/**
 * A rate limit whose rate is worked out at each request, from what is current then: the declared capacity, this process's
 * share of it. So nothing has to look for the limits that a new topology or new shares change. What was taken is carried
 * over into the new rate, or a request that a tiny share let through would keep its tenant out for as long as that share
 * would have, after the share has risen.
 */
import { BEYOND_RATE, rescaleDebt, takeToken } from '@cellplane/contract'

export type RateLimit = {
  /** When it next lets a request through: see the contract's `takeToken`. */
  admittedUntil: number
  /** By which that was last counted; 0 before the first request. */
  ratePerSecond: number
}

export const createRateLimit = (): RateLimit => ({ admittedUntil: 0, ratePerSecond: 0 })

/** A second's worth may come at once: clients work in bursts, and the ceiling is stated for a second. */
const BURST_SECONDS = 1

/** Requests that may come at once. `share`: of the burst. */
export const burstOf = (ratePerSecond: number, share = 1) =>
  Math.max(1, ratePerSecond * BURST_SECONDS * share)

/** Whether one more request fits; when it does, it is counted. `ratePerSecond` above 0; `now` in ms. */
export function admitAtRate(limit: RateLimit, ratePerSecond: number, now: number): boolean {
  const burst = burstOf(ratePerSecond)
  if (ratePerSecond !== limit.ratePerSecond) {
    limit.admittedUntil = rescaleDebt(limit.admittedUntil, now, limit.ratePerSecond, ratePerSecond, burst)
    limit.ratePerSecond = ratePerSecond
  }
  const until = takeToken(limit.admittedUntil, now, ratePerSecond, burst)
  if (until === BEYOND_RATE) return false
  limit.admittedUntil = until
  return true
}
