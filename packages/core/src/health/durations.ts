/**
 * The bounds by which routers count how long answers take, in their metrics and in their reports, and by which a cell's
 * latency is compared with its peers'. Wide enough for a cache hit and for a report that takes half a minute.
 */
export const DURATION_BOUNDS_MS = [
  1, 2.5, 5, 10, 25, 50, 100, 250, 500, 1_000, 2_500, 5_000, 10_000, 30_000,
] as const
