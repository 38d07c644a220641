/**
 * A rate limit in one number: the generic cell rate algorithm (ITU-T I.371), the token bucket without a bucket to fill.
 *
 * The number is the time until which what was admitted so far would last at the rate. A request moves it on by one
 * interval; one that would move it further ahead of now than the burst allows is turned away and moves nothing. So
 * memory is one number a limit, no timer refills anything, and a limit that was idle has its whole burst.
 *
 * It is part of the contract because a router and a cell that hold a tenant to the same cap must count in the same way.
 */

/** Returned when the request is beyond the rate. */
export const BEYOND_RATE = -1

/**
 * @param admittedUntil the limit's number; 0 at first
 * @param now ms, on the same clock as the number
 * @param ratePerSecond above 0
 * @param burst requests that may come at once, at least 1
 * @returns the limit's new number, or BEYOND_RATE
 */
export function takeToken(admittedUntil: number, now: number, ratePerSecond: number, burst: number): number {
  const intervalMs = 1000 / ratePerSecond
  const from = admittedUntil > now ? admittedUntil : now
  return from - now > (burst - 1) * intervalMs ? BEYOND_RATE : from + intervalMs
}

/**
 * The limit's number when its rate changes: as many requests stay taken, and take their time at the new rate. Else one
 * that was taken at a rate of one in ten minutes would keep all others out for ten minutes, whatever the rate is by then.
 * No more stay taken than the new burst, so a rate that falls does not close the limit for longer than its burst lasts.
 *
 * @param ratePerSecondBefore 0 when there was no limit
 * @param ratePerSecond the new one; 0 when there is no limit from now on
 * @param burst at the new rate, as for `takeToken`
 */
export function rescaleDebt(
  admittedUntil: number,
  now: number,
  ratePerSecondBefore: number,
  ratePerSecond: number,
  burst: number,
): number {
  const debtMs = admittedUntil - now
  if (debtMs <= 0 || ratePerSecond === ratePerSecondBefore) return admittedUntil
  if (ratePerSecondBefore === 0 || ratePerSecond === 0) return now
  return now + Math.min((debtMs * ratePerSecondBefore) / ratePerSecond, (burst * 1000) / ratePerSecond)
}

/** In how many ms a request that is beyond the rate now would fit, when none other comes before it. As for `takeToken`. */
export function tokenWaitMs(
  admittedUntil: number,
  now: number,
  ratePerSecond: number,
  burst: number,
): number {
  const intervalMs = 1000 / ratePerSecond
  return Math.max(0, admittedUntil - now - (burst - 1) * intervalMs)
}
