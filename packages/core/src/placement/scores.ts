/**
 * Scores: how much a bucket wants a cell. The lower, the better.
 *
 * Without weights a score would be a plain hash u of (seed, bucket, cell), uniform in (0, 1), and the k best of a
 * bucket a uniform choice. With weights, a cell is to be among the k with a given probability p (k × its share, at most
 * 1). The usual weighted rendezvous, −ln(u) ÷ weight, gives that for k = 1 only, and it needs a logarithm, which is not
 * the same on every machine. Pareto order sampling (Rosén, "On sampling with probability proportional to size", 1997)
 * compares odds instead,
 *
 *     score = (u ÷ (1 − u)) × ((1 − p) ÷ p)
 *
 * and the k lowest contain each cell with a probability that is p within a per cent or so, for any k; a cell with
 * p = 1 scores 0 and is always among them. It needs no more than ÷ and ×. The rest is the quotas' work.
 *
 * The hash is mixed from a key for the bucket and one for the cell, each made once. The mixer is a bijection of 32 bits,
 * and the cells' keys differ, so that two cells never tie in a bucket.
 */

/** The hash that a score is made of. Keys come from `keyOf…`. */
export function rank(bucketKey: number, cellKey: number): number {
  return mix(bucketKey ^ cellKey)
}

/** `handicap` is (1 − p) ÷ p, `handicapOf(p)`. */
export function score(bucketKey: number, cellKey: number, handicap: number): number {
  const u = rank(bucketKey, cellKey) + 0.5
  return (u / (0x1_0000_0000 - u)) * handicap
}

export function handicapOf(probability: number): number {
  return probability >= 1 ? 0 : (1 - probability) / probability
}

export function keyOfSlot(slot: number): number {
  return mix(slot + SLOT_SALT)
}

export function keysOfBuckets(buckets: number, seed: number): Uint32Array {
  const seedKey = mix(seed)
  return Uint32Array.from({ length: buckets }, (_, bucket) => mix(mix(bucket) + seedKey))
}

/** Keeps slot n and bucket n from having related keys. The fractional part of the golden ratio, as good as any. */
const SLOT_SALT = 0x9e3779b9

/** A 32-bit finaliser with little bias: the constants were found by search (C. Wellons, hash-prospector; TheIronBorn). */
function mix(value: number): number {
  let x = value | 0
  x = Math.imul(x ^ (x >>> 16), 0x21f0aaad)
  x = Math.imul(x ^ (x >>> 15), 0x735a2d97)
  return (x ^ (x >>> 15)) >>> 0
}
