/**
 * A table in the making: rows of cells (dense indexes, not slots), and counts that always agree with them, because
 * every change goes through `put` and `swapHome`.
 */
import type { PlacementPolicy } from './place.ts'
import type { Quotas } from './quotas.ts'
import { keysOfBuckets } from './scores.ts'

/** A hole in a row. Slots are below it, and so are indexes. */
export const NO_CELL = 0xffff

export type Draft = Quotas & {
  readonly buckets: number
  readonly shardSize: number
  /** One key for each bucket; see `scores.ts`. */
  readonly bucketKeys: Uint32Array
  readonly rows: Uint16Array
  /** By cell: its places in `rows`, and how many of them are homes. */
  readonly places: Uint32Array
  readonly homes: Uint32Array
  /** Puts a cell into a place, instead of whatever is there. */
  put(place: number, cell: number): void
  /** Makes the cell at `place` the home of its row; the former home takes that place. */
  swapHome(place: number): void
}

export function startDraft(quotas: Quotas, { buckets, shardSize, seed }: PlacementPolicy): Draft {
  const rows = new Uint16Array(buckets * shardSize).fill(NO_CELL)
  const places = new Uint32Array(quotas.cells.length)
  const homes = new Uint32Array(quotas.cells.length)
  return {
    ...quotas,
    buckets,
    shardSize,
    bucketKeys: keysOfBuckets(buckets, seed),
    rows,
    places,
    homes,
    put(place, cell) {
      const isHome = place % shardSize === 0
      const former = rows[place]!
      if (former !== NO_CELL) {
        places[former]!--
        if (isHome) homes[former]!--
      }
      rows[place] = cell
      places[cell]!++
      if (isHome) homes[cell]!++
    },
    swapHome(place) {
      const home = place - (place % shardSize)
      homes[rows[home]!]!--
      homes[rows[place]!]!++
      const former = rows[home]!
      rows[home] = rows[place]!
      rows[place] = former
    },
  }
}
