/** How long to wait before the next try: doubling, bounded. */
export type BackoffPolicy = { firstMs: number; maxMs: number }

/** A crash that a restart mends costs 100 ms; one that it does not mend costs one start in 5 s. */
export const RESTART_BACKOFF: BackoffPolicy = { firstMs: 100, maxMs: 5_000 }

/** A control plane that restarts is back in a second or two; one that is gone for a day is asked every 5 s. */
export const CONTROL_PLANE_BACKOFF: BackoffPolicy = { firstMs: 250, maxMs: 5_000 }

/** `failures` in a row, from 1. */
export function backoffMs(failures: number, { firstMs, maxMs }: BackoffPolicy): number {
  return Math.min(maxMs, firstMs * 2 ** Math.min(failures - 1, 30))
}
