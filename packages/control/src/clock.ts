/** The control plane's clock for durations. Times that are shown or stored are `Date`'s. */

export const HOUR_MS = 3_600_000

/**
 * Milliseconds that never step back, of no date. A wall clock that an administrator or NTP sets back would keep silent
 * routers and hosts "reporting", and a healthy cell out of traffic, for as long.
 */
export const monotonicNow = (): number => performance.now()
