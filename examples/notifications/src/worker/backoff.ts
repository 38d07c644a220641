/** How long to wait before the next attempt: doubling, bounded, and spread, so that what failed together does not come back together. */
import type { RetryPolicy } from './config.ts'

/** `attempt` is the one that failed, from 1; `draw` is in [0, 1). Between half and all of the doubled delay. */
export function retryDelayMs(
  { delayFirstMs, delayMaxMs }: RetryPolicy,
  attempt: number,
  draw: number,
): number {
  // 2^30 first delays are beyond any bound, and the exponent stays exact.
  const doubled = Math.min(delayMaxMs, delayFirstMs * 2 ** Math.min(attempt - 1, 30))
  return Math.round(doubled / 2 + (doubled / 2) * draw)
}
