/**
 * Rebalancing by what was observed: buckets go from cells that carry more than their part to cells that carry less.
 *
 * Placement shares out buckets, and a bucket is not traffic: one with a large tenant weighs as much as hundreds without. Here a
 * place weighs what its tenants ask for. The hottest cell gives to the coolest one the heaviest place that does not overshoot,
 * again and again: heavy ones first is the least movement. It ends when every cell is within the tolerance of its part, when no
 * place is left that helps, or with the most that may move at once.
 *
 * Where a request of a bucket goes is the fleet's `choice`: to the home, so only homes weigh, or to each of the shard's cells
 * in equal parts.
 *
 * Tenants with an override are in no bucket. They weigh on their cells and stay there. A tenant that alone weighs more than
 * its cell's part cannot be dealt with by moving it about: it is named.
 */
import { type HandedOver, type HandOverInput, handedOver, startHandOver } from './hand-over.ts'
import type { PlacedCell } from './place.ts'

export type RebalanceInput = HandOverInput & {
  /** By bucket: requests of the tenants that the table places. */
  requestsByBucket: Float64Array
  /** Slot → requests that stay, of tenants with an override. */
  requestsByName: ReadonlyMap<number, number>
  isHomeFirst: boolean
  /** Slot → the part of all requests that the cell is meant for, in any unit. */
  partOf: (cell: PlacedCell) => number
}

export type CellLoad = { slot: number; before: number; after: number; part: number }

export type Rebalanced = HandedOver & {
  /** Shares of all requests. */
  loads: CellLoad[]
  /** Slots of cells that stay above their part: no place that would help may move. */
  stuck: number[]
  /** It ended with the most that may move at once. */
  isCutShort: boolean
}

/** A cell this far above its part is left alone: as far as placement itself lets it be. */
export const LOAD_TOLERANCE = 0.1

/** Of all places, at once. Who needs more looks at what it came to, and plans again. */
export const REBALANCED_SHARE_MAX = 0.1

/** Cells that a place is offered to, coolest first; further ones have hardly any room. */
const TAKERS_TRIED_MAX = 64

export function rebalance(input: RebalanceInput): Rebalanced {
  const { cells, policy, requestsByBucket, requestsByName, isHomeFirst, partOf } = input
  const { shardSize } = policy
  const takers = cells.filter((cell) => partOf(cell) > 0)
  const draft = startHandOver({ ...input, cells: takers })
  const weightAt = (place: number): number => {
    const requests = requestsByBucket[Math.floor(place / shardSize)]!
    if (!isHomeFirst) return requests / shardSize
    return place % shardSize === 0 ? requests : 0
  }
  const loads = new Map<number, number>(cells.map(({ slot }) => [slot, requestsByName.get(slot) ?? 0]))
  const heavy = new Map<number, number[]>(cells.map(({ slot }) => [slot, []]))
  for (const [place, slot] of draft.rows.entries()) {
    const weight = weightAt(place)
    if (weight === 0) continue
    loads.set(slot, (loads.get(slot) ?? 0) + weight)
    heavy.get(slot)?.push(place)
  }
  for (const places of heavy.values()) places.sort((a, b) => weightAt(b) - weightAt(a) || a - b)
  const before = new Map(loads)
  const all = [...loads.values()].reduce((sum, load) => sum + load, 0)
  const parts = takers.reduce((sum, cell) => sum + partOf(cell), 0)
  const targets = new Map(takers.map((cell) => [cell.slot, (all * partOf(cell)) / parts]))
  const surplus = ({ slot }: PlacedCell) => loads.get(slot)! - targets.get(slot)!
  const fullness = (cell: PlacedCell) => surplus(cell) / targets.get(cell.slot)!

  const stuck = new Set<number>()
  const movesMax = Math.floor(REBALANCED_SHARE_MAX * draft.rows.length)
  while (all > 0 && draft.moves.length < movesMax) {
    const hot = hottest()
    if (!hot || fullness(hot) <= LOAD_TOLERANCE) break
    const found = pick(hot)
    if (!found) stuck.add(hot.slot)
    else {
      loads.set(hot.slot, loads.get(hot.slot)! - weightAt(found.place))
      loads.set(found.taker.slot, loads.get(found.taker.slot)! + weightAt(found.place))
      draft.give(found.place, found.taker.slot)
    }
  }
  const share = (load: number) => (all === 0 ? 0 : load / all)
  return {
    ...handedOver(draft),
    loads: cells.map((cell) => ({
      slot: cell.slot,
      before: share(before.get(cell.slot)!),
      after: share(loads.get(cell.slot)!),
      part: parts === 0 ? 0 : partOf(cell) / parts,
    })),
    isCutShort: movesMax > 0 && draft.moves.length >= movesMax,
    stuck: takers.filter((cell) => stuck.has(cell.slot)).map((cell) => cell.slot),
  }

  /** Looked for anew each time, and not sorted: a fleet of 1,000 cells asks thousands of times. */
  function hottest(): PlacedCell | undefined {
    let found: PlacedCell | undefined
    let most = Number.NEGATIVE_INFINITY
    for (const cell of takers) {
      if (stuck.has(cell.slot) || fullness(cell) <= most) continue
      found = cell
      most = fullness(cell)
    }
    return found
  }

  /** A place of the hot cell, and who takes it: the coolest cell that is not above its part with it, its heaviest place. */
  function pick(hot: PlacedCell): { place: number; taker: PlacedCell } | undefined {
    // Lighter ones would not deal with it however many of them moved.
    const least = surplus(hot) / movesMax
    const tried = new Set<number>()
    while (tried.size < TAKERS_TRIED_MAX) {
      const taker = coolest(tried)
      if (!taker) return undefined
      tried.add(taker.slot)
      const room = Math.min(surplus(hot), -surplus(taker))
      if (room < least) continue
      for (const place of heavy.get(hot.slot)!) {
        const weight = weightAt(place)
        if (weight < least) break
        if (weight <= room && draft.rows[place] === hot.slot && draft.fits(place, taker.slot)) {
          return { place, taker }
        }
      }
    }
    return undefined
  }

  function coolest(but: ReadonlySet<number>): PlacedCell | undefined {
    let found: PlacedCell | undefined
    let least = 0
    for (const cell of takers) {
      if (fullness(cell) >= least || but.has(cell.slot)) continue
      found = cell
      least = fullness(cell)
    }
    return found
  }
}
