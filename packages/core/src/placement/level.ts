/**
 * Levelling: cells below their quota take places from cells above.
 *
 * Each taker goes through the buckets in the order of its score there, so that what it gets is as random as if it had
 * been placed from the start, and takes from the cell of the row that is most above its quota. Only a row that lacks
 * the taker's group will do, or one whose cell of that group is the giver.
 *
 * A taker may find no giver: the cells above their quota all stand in rows that have its group. Then it takes from a
 * cell that is not above; that one is below afterwards, and takes in the next round. So the shortage moves to where it
 * can be met. Rounds are bounded; what is left after the last is a few places.
 */
import type { Draft } from './draft.ts'
import { rank } from './scores.ts'

/** Each round ends most shortages; more than three have not been seen to be needed. */
const ROUNDS_MAX = 64

/** A taker looks at four times as many buckets as it misses places, since most have a giver; then at ever more. */
const REACH_FIRST = 4
const REACH_GROWTH = 8

export function levelPlaces(draft: Draft): void {
  for (let round = 0; round < ROUNDS_MAX; round++) {
    const takers = takersOf(draft)
    if (takers.length === 0) return
    for (const taker of takers) takePlaces(draft, taker, 0)
    for (const taker of takersOf(draft)) takePlaces(draft, taker, Number.NEGATIVE_INFINITY)
  }
}

/** Takes until the quota is met, from cells that are more than `surplusMin` above theirs. */
function takePlaces(draft: Draft, taker: number, surplusMin: number): void {
  const { buckets, shardSize } = draft
  let reach = REACH_FIRST * missing(draft, taker)
  while (missing(draft, taker) > 0) {
    for (const bucket of bestBuckets(draft, taker, reach, surplusMin)) {
      const giver = giverIn(draft, bucket * shardSize, taker, surplusMin)
      if (giver >= 0) draft.put(giver, taker)
      if (missing(draft, taker) === 0) return
    }
    if (reach >= buckets) return
    reach *= REACH_GROWTH
  }
}

/**
 * The place in the row to take, or -1. Among several, one whose position, home or alternate, the taker has too few of;
 * among these, that of the cell which is most above its quota.
 */
function giverIn(draft: Draft, start: number, taker: number, surplusMin: number): number {
  const { rows, groupOf, places, homes, quota, shardSize } = draft
  const group = groupOf[taker]!
  const wantsHome = homes[taker]! * shardSize <= places[taker]!
  let giver = -1
  let most = surplusMin
  for (let place = start; place < start + shardSize; place++) {
    const cell = rows[place]!
    if (cell === taker) return -1
    const surplus = places[cell]! - quota[cell]!
    // Within a group a shortage cannot be passed on: whoever gives could only take what the taker takes.
    if (groupOf[cell] === group) return surplus > 0 ? place : -1
    const isBetter = giver === start ? !wantsHome : surplus > most
    if (surplus > surplusMin && isBetter) {
      most = surplus
      giver = place
    }
  }
  return giver
}

/** Of the `reach` (about) buckets where the taker scores best, those with a giver; best first. */
function bestBuckets(draft: Draft, taker: number, reach: number, surplusMin: number): number[] {
  const { bucketKeys, cellKeys, buckets, shardSize } = draft
  const limit = (reach / buckets) * 0x1_0000_0000
  const found: number[] = []
  for (let bucket = 0; bucket < buckets; bucket++) {
    const value = rank(bucketKeys[bucket]!, cellKeys[taker]!)
    if (value >= limit || giverIn(draft, bucket * shardSize, taker, surplusMin) < 0) continue
    // Rank and bucket in one double (32 + 20 bits), so that they sort as numbers.
    found.push(value * BUCKETS_MAX + bucket)
  }
  return Array.from(Float64Array.from(found).sort(), (both) => both % BUCKETS_MAX)
}

/** The contract's limit. */
const BUCKETS_MAX = 1 << 20

/** Cells below their quota, the neediest first. */
function takersOf(draft: Draft): number[] {
  return draft.cells
    .map((_, cell) => cell)
    .filter((cell) => missing(draft, cell) > 0)
    .sort((a, b) => missing(draft, b) - missing(draft, a) || a - b)
}

function missing({ places, quota }: Draft, cell: number): number {
  return Math.max(0, quota[cell]! - places[cell]!)
}
