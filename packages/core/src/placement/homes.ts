/**
 * Balancing homes: with home-first routing the homes are the load, so they too have quotas.
 *
 * A row's home is swapped with the alternate that lacks homes most, whenever that brings the two closer together. Each
 * swap lowers the sum of squared distances from the quotas, so it ends; where home and alternates are within one of
 * each other in every row, nothing is left to gain by a single swap. Cells meet in many rows, so that is close to even
 * everywhere.
 */
import type { Draft } from './draft.ts'

/** The first pass does nearly all; the limit only bounds the tail. */
const PASSES_MAX = 32

export function balanceHomes(draft: Draft): void {
  for (let pass = 0; pass < PASSES_MAX; pass++) {
    if (!swapWhereItHelps(draft)) return
  }
}

function swapWhereItHelps(draft: Draft): boolean {
  const { rows, homes, homeQuota, shardSize } = draft
  const surplus = (place: number) => homes[rows[place]!]! - homeQuota[rows[place]!]!
  let didSwap = false
  for (let home = 0; home < rows.length; home += shardSize) {
    let poorest = home
    for (let place = home + 1; place < home + shardSize; place++) {
      if (surplus(place) < surplus(poorest)) poorest = place
    }
    if (surplus(home) - surplus(poorest) < 2) continue
    draft.swapHome(poorest)
    didSwap = true
  }
  return didSwap
}
