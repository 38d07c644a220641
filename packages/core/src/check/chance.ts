/**
 * What chance alone may add to a share.
 *
 * Tenants fall into buckets by a hash, and some are large: of three tenants, all may share a cell that ideally has half of
 * them, and nobody planned badly. A limit without room for that would refuse every small fleet, and be turned off. So a limit
 * over tenants is what a fair draw from the share that is allowed stays below, except once in a billion draws
 * (Bernstein's inequality: it holds for weights however uneven, unlike a number of standard deviations).
 */

/** ln of a billion; with a factor of 1,000 for the cells and pairs that are looked at. */
const IMPROBABILITY = Math.log(1e12)

/** What is drawn: `squares` is the sum of the squares of the parts, `largest` the largest, as shares of the whole. */
export type Draw = { squares: number; largest: number }

export const equalParts = (count: number): Draw =>
  count === 0 ? { squares: 1, largest: 1 } : { squares: 1 / count, largest: 1 / count }

/** At most 1. */
export function limitWithChance(share: number, { squares, largest }: Draw): number {
  const p = Math.min(1, share)
  const variance = p * (1 - p) * squares
  const tail = (largest * IMPROBABILITY) / 3
  return Math.min(1, p + tail + Math.sqrt(tail * tail + 2 * variance * IMPROBABILITY))
}
