/** The router's clock. */

/**
 * Milliseconds since the epoch that never step back. Ejections, ramps and budgets compare two readings, and a wall clock
 * that an administrator or NTP sets back would stretch them by as much.
 */
export function monotonicNow(): number {
  return performance.timeOrigin + performance.now()
}
