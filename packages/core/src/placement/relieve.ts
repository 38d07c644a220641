/**
 * Relief: cells above their bounds on tenants give buckets to cells that have room.
 *
 * Quotas have seen to it that a cell gets no more places than its bound allows *on average*; but tenants fall into
 * buckets by chance, so single cells come out above. Such a cell sheds the buckets that want it least, each to the cell
 * that the bucket wants most of those with room: for another tenant, and within the tolerance for places as well, as long
 * as there is one. If a cell falls out of its tolerance by that, it takes back a bucket that has no tenants.
 *
 * Where nobody has room whose group the rows lack, somebody in between helps, as in `level.ts`: a cell at its bound takes
 * the bucket and gives one of its own to the next, and so on to one that has room. The shortest chain is found by
 * breadth-first search; in a shortest chain no two steps get into each other's way, since a step that did would have
 * been a shortcut.
 *
 * **What is promised.** While no bucket holds more than one tenant this is a flow along augmenting paths: if the bounds
 * can be kept at all with one cell of a group in each row, they are. With several tenants in a bucket it is a packing
 * problem, for which no fast exact method is known: every bound is kept as long as single steps and chains still find
 * room, which they do unless bounds are within a bucket's worth of what is needed.
 */
import type { Draft } from './draft.ts'
import { rank } from './scores.ts'
import type { BucketBounds } from './tenant-bounds.ts'

/** A cell that is relieved gets some room, so that the next few tenants do not move buckets again. A share of its bound. */
const HEADROOM = 0.05

/** A chain is a look at all rows, ~1 ms. What is left after so many stays above its bound, and is told. */
const CHAINS_MAX = 2_000

/** `slackOf` a quota is how far from it a cell's places may be. Whether every bound is kept is for the caller to see. */
export function relieve(draft: Draft, bounds: BucketBounds, slackOf: (quota: number) => number): void {
  const relief = createRelief(draft, bounds, Float64Array.from(draft.quota, slackOf))
  const withRoom = bounds.ceilings.map((ceiling) => Math.ceil(ceiling * (1 - HEADROOM)))
  for (const ceilings of [withRoom, bounds.ceilings]) {
    for (const cell of relief.crowded()) relief.shed(cell, ceilings)
  }
  const isStuck = new Set<number>()
  for (let chains = 0; chains < CHAINS_MAX; chains++) {
    const cell = relief.crowded().find((one) => !isStuck.has(one))
    if (cell === undefined) return
    if (!relief.passOn(cell)) isStuck.add(cell)
  }
}

/** A step of a chain: `place` of the row goes from the cell before to `cell`. */
type Step = { cell: number; place: number; before: Step | null }

function createRelief(draft: Draft, { byBucket, ceilings }: BucketBounds, slack: Float64Array) {
  const { rows, shardSize, groupOf, bucketKeys, cellKeys, places, quota, buckets } = draft
  const cells = Array.from(ceilings.keys())
  const loads = new Float64Array(cells.length)
  for (const [place, cell] of rows.entries()) loads[cell]! += countAt(place)

  function countAt(place: number): number {
    return byBucket[Math.floor(place / shardSize)]!
  }

  function give(place: number, cell: number): void {
    loads[rows[place]!]! -= countAt(place)
    loads[cell]! += countAt(place)
    draft.put(place, cell)
  }

  /** Whether the cell may stand at the place: its group is in the row nowhere else. */
  function fits(place: number, cell: number): boolean {
    const start = place - (place % shardSize)
    for (let other = start; other < start + shardSize; other++) {
      if (other !== place && groupOf[rows[other]!] === groupOf[cell]) return false
    }
    return rows[place] !== cell
  }

  /** The cell's places in rows with tenants, those first that want it least. */
  function placesToShed(cell: number): number[] {
    const found: { place: number; wish: number }[] = []
    for (const [place, one] of rows.entries()) {
      if (one !== cell || countAt(place) === 0) continue
      found.push({ place, wish: rank(bucketKeys[Math.floor(place / shardSize)]!, cellKeys[cell]!) })
    }
    return found.sort((a, b) => b.wish - a.wish).map(({ place }) => place)
  }

  /** Of the cells with room for the place's tenants, one that is within its tolerance with one place more, if there is any; of these the one that the bucket wants most. */
  function takerOf(place: number, limits: Float64Array): number | undefined {
    const count = countAt(place)
    const key = bucketKeys[Math.floor(place / shardSize)]!
    let best: { cell: number; isEven: boolean; wish: number } | undefined
    for (const cell of cells) {
      if (loads[cell]! + count > limits[cell]! || !fits(place, cell)) continue
      const isEven = places[cell]! < quota[cell]! + Math.floor(slack[cell]!)
      const wish = rank(key, cellKeys[cell]!)
      if (best && (best.isEven !== isEven ? best.isEven : best.wish < wish)) continue
      best = { cell, isEven, wish }
    }
    return best?.cell
  }

  /** `from` gives `to` a bucket without tenants, from `place` onwards and around. */
  function giveBack(from: number, to: number, place: number): void {
    for (let i = 1; i < rows.length; i++) {
      const at = (place + i) % rows.length
      if (rows[at] === from && countAt(at) === 0 && fits(at, to)) return give(at, to)
    }
  }

  return {
    crowded: (): number[] => cells.filter((cell) => loads[cell]! > ceilings[cell]!),

    shed(cell: number, limits: Float64Array): void {
      for (const place of placesToShed(cell)) {
        if (loads[cell]! <= limits[cell]!) return
        const taker = takerOf(place, limits)
        if (taker === undefined) continue
        give(place, taker)
        if (places[cell]! < quota[cell]! - slack[cell]!) giveBack(taker, cell, place)
      }
    },

    /** Gives one bucket of the cell away along a chain; false when there is none that ends where there is room. */
    passOn(cell: number): boolean {
      const reached: Step[] = [{ cell, place: -1, before: null }]
      const unseen = new Set(cells.filter((other) => other !== cell))
      // The array grows while it is gone through: breadth first.
      for (const step of reached) {
        for (let bucket = 0; bucket < buckets && unseen.size > 0; bucket++) {
          if (byBucket[bucket] === 0) continue
          const start = bucket * shardSize
          const at = rows.subarray(start, start + shardSize).indexOf(step.cell)
          if (at < 0) continue
          for (const taker of unseen) {
            if (!fits(start + at, taker)) continue
            unseen.delete(taker)
            const next = { cell: taker, place: start + at, before: step }
            reached.push(next)
            if (doesHelp(next)) return apply(next)
          }
        }
      }
      return false
    },
  }

  /** Whether the chain up to this step ends within a bound, with nobody in between the worse for it. */
  function doesHelp(last: Step): boolean {
    let given = 0
    for (let step: Step = last; step.before; step = step.before) {
      const load = loads[step.cell]! + countAt(step.place) - given
      if (load > Math.max(ceilings[step.cell]!, step === last ? 0 : loads[step.cell]!)) return false
      given = countAt(step.place)
    }
    return true
  }

  function apply(last: Step): true {
    for (let step: Step = last; step.before; step = step.before) give(step.place, step.cell)
    return true
  }
}
