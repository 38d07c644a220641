/**
 * Levelling: cells below their quota take places from cells above.
 *
 * Each taker goes through the buckets in the order of its score there, so that what it gets is as random as if it had
 * been placed from the start, and takes from the cell of the row that is most above its quota. Only a row that lacks
 * the taker's group will do, or one whose cell of that group is the giver.
 *
 * A taker may find no giver, because the cells above their quota all stand in rows that have its group. Then somebody in
 * between helps: the taker takes from a cell at its quota, which takes from another, and so on to one that is above.
 * The shortest such chain is found by breadth-first search. Few fleets need it: weights or zones must be at their limits.
 */
import type { Draft } from './draft.ts'
import { rank } from './scores.ts'

/** A taker looks at four times as many buckets as it misses places, since most have a giver; then at ever more. */
const REACH_FIRST = 4
const REACH_GROWTH = 8

/** Each chain levels at least one place, and mostly all that a taker lacks; what is left after so many stays uneven. */
const CHAINS_MAX = 256

/** Any cell that is above its quota. */
const ANYONE_ABOVE = -1

export function levelPlaces(draft: Draft): void {
  for (const taker of takersOf(draft)) takePlaces(draft, taker, ANYONE_ABOVE, shortage(draft, taker))
  for (let chains = 0; chains < CHAINS_MAX; chains++) {
    const [neediest] = takersOf(draft)
    const chain = neediest === undefined ? null : chainFrom(draft, neediest)
    if (!chain) return
    const amount = Math.min(shortage(draft, chain[0]!), surplus(draft, chain.at(-1)!))
    for (const [i, taker] of chain.slice(0, -1).entries()) takePlaces(draft, taker, chain[i + 1]!, amount)
  }
}

/** Takes up to `amount` places from the giver, or from anyone above. */
function takePlaces(draft: Draft, taker: number, giver: number, amount: number): void {
  let left = amount
  for (let reach = REACH_FIRST * amount; left > 0; reach *= REACH_GROWTH) {
    for (const bucket of bestBuckets(draft, taker, giver, reach)) {
      const place = placeToTake(draft, bucket * draft.shardSize, taker, giver)
      if (place < 0) continue
      draft.put(place, taker)
      if (--left === 0) return
    }
    if (reach >= draft.buckets) return
  }
}

/**
 * The place in the row that the taker may take, or -1. Of several that are above their quotas, one whose position, home
 * or alternate, the taker has too few of; among these, that of the cell which is most above.
 */
function placeToTake(draft: Draft, start: number, taker: number, giver: number): number {
  const { rows, groupOf, places, homes, quota, shardSize } = draft
  const group = groupOf[taker]!
  const wantsHome = homes[taker]! * shardSize <= places[taker]!
  let found = -1
  let most = 0
  for (let place = start; place < start + shardSize; place++) {
    const cell = rows[place]!
    if (cell === taker) return -1
    const above = places[cell]! - quota[cell]!
    const isGiver = giver === ANYONE_ABOVE ? above > 0 : cell === giver
    if (groupOf[cell] === group) return isGiver ? place : -1
    if (!isGiver || (found >= 0 && (found === start ? wantsHome : above <= most))) continue
    found = place
    most = above
  }
  return found
}

/** Of the `reach` (about) buckets where the taker scores best, those with a place to take; best first. */
function bestBuckets(draft: Draft, taker: number, giver: number, reach: number): number[] {
  const { bucketKeys, cellKeys, buckets, shardSize } = draft
  const limit = (reach / buckets) * 0x1_0000_0000
  const found: number[] = []
  for (let bucket = 0; bucket < buckets; bucket++) {
    const value = rank(bucketKeys[bucket]!, cellKeys[taker]!)
    if (value >= limit || placeToTake(draft, bucket * shardSize, taker, giver) < 0) continue
    // Rank and bucket in one double (32 + 20 bits), so that they sort as numbers.
    found.push(value * BUCKETS_MAX + bucket)
  }
  return Array.from(Float64Array.from(found).sort(), (both) => both % BUCKETS_MAX)
}

/** The contract's limit. */
const BUCKETS_MAX = 1 << 20

/** A shortest chain of cells from `first` to one above its quota, each of which may take from the next. */
function chainFrom(draft: Draft, first: number): number[] | null {
  const { rows, shardSize, groupOf, groups } = draft
  const takerOf = new Map([[first, -1]])
  // The keys grow while they are gone through: breadth first.
  for (const taker of takerOf.keys()) {
    const group = groupOf[taker]!
    // Within a group a shortage can be met, but not passed on: another cell of it could take no more than this one.
    const peer = groups[group]!.cells.find((cell) => surplus(draft, cell) > 0)
    if (peer !== undefined) return chainTo(peer, takerOf.set(peer, taker))
    for (let start = 0; start < rows.length; start += shardSize) {
      const row = rows.subarray(start, start + shardSize)
      if (row.some((cell) => groupOf[cell] === group)) continue
      for (const cell of row) {
        if (takerOf.has(cell)) continue
        takerOf.set(cell, taker)
        if (surplus(draft, cell) > 0) return chainTo(cell, takerOf)
      }
    }
  }
  return null
}

function chainTo(last: number, takerOf: ReadonlyMap<number, number>): number[] {
  const chain: number[] = []
  for (let cell = last; cell >= 0; cell = takerOf.get(cell)!) chain.unshift(cell)
  return chain
}

/** Cells below their quota, the neediest first. */
function takersOf(draft: Draft): number[] {
  return draft.cells
    .map((_, cell) => cell)
    .filter((cell) => shortage(draft, cell) > 0)
    .sort((a, b) => shortage(draft, b) - shortage(draft, a) || a - b)
}

function shortage(draft: Draft, cell: number): number {
  return Math.max(0, -surplus(draft, cell))
}

function surplus({ places, quota }: Draft, cell: number): number {
  return places[cell]! - quota[cell]!
}
