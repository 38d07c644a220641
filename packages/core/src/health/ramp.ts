/** Readmission: a cell that comes back gets its share of requests slowly, so that cold caches and a queue of retries do not fell it again. */

/**
 * The fitness (0–255, see `chooseCell`) of a cell that recovered at `recoveredAt`: rising linearly over `rampMs`,
 * never 0, so that it is tried at all.
 */
export function rampFitness(now: number, recoveredAt: number, rampMs: number): number {
  const elapsedMs = now - recoveredAt
  if (elapsedMs >= rampMs) return 255
  return Math.max(1, Math.floor((Math.max(0, elapsedMs) / rampMs) * 255))
}
