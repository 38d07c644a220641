/** What a placement without fault comes to, for the cells, weights and zones at hand: the yardstick of the budget's factors. */
import type { PlacedCell, PlacementPolicy } from '../placement/place.ts'
import { planQuotas } from '../placement/quotas.ts'

export type Ideal = {
  /** Slot → the share of buckets that have a place there. */
  cellTouched: ReadonlyMap<number, number>
  /** The largest share that a pair of cells is all of: with shards as they are, and with shards of one cell. */
  pairLost: number
  pairLostAlone: number
}

/** `cells` are the active serving ones. Null where no placement of them is possible, and so none is ideal. */
export function idealOf(cells: readonly PlacedCell[], policy: PlacementPolicy): Ideal | null {
  const planned = planQuotas(cells, policy)
  if (!planned.ok) return null
  const { cells: weighted, groups, groupOf, quota } = planned.value
  const touched = Array.from(quota, (places) => places / policy.buckets)
  const alone = touched.map((share) => share / policy.shardSize).sort((a, b) => b - a)
  const pairLostAlone = Math.min(1, (alone[0] ?? 0) + (alone[1] ?? 0))
  const inGroup = groups.map((group) => group.cells.reduce((sum, cell) => sum + touched[cell]!, 0))
  let pairLost = policy.shardSize === 1 ? pairLostAlone : 0
  for (let a = 0; policy.shardSize === 2 && a < touched.length; a++) {
    for (let b = 0; b < a; b++) {
      // Two of one zone are never a whole shard where zones count.
      if (groupOf[a] === groupOf[b]) continue
      const product = touched[a]! * touched[b]!
      // Drawn one after the other, the second from the other groups; either may be the first.
      const either = product / (2 - inGroup[groupOf[a]!]!) + product / (2 - inGroup[groupOf[b]!]!)
      pairLost = Math.max(pairLost, Math.min(1, either / 2))
    }
  }
  return {
    cellTouched: new Map(weighted.map(({ slot }, i) => [slot, touched[i]!])),
    pairLost,
    pairLostAlone,
  }
}
