/**
 * Balancing homes: with home-first routing the homes are the load, so they too have quotas.
 *
 * Where a cell has too many or too few, a row's home is swapped with the alternate that lacks homes most, whenever that
 * brings the two closer together. Each swap lowers the sum of squared distances from the quotas, so it ends. A cell that
 * none of its neighbours can relieve passes its surplus through them: they then have too many themselves. Cells meet
 * in many rows, so that comes out even.
 */
import type { Draft } from './draft.ts'

/** The first pass does nearly all; the limit only bounds the tail. */
const PASSES_MAX = 32

/** `slackOf` a quota is how far from it a cell may be left alone: 0 makes all as even as can be. */
export function balanceHomes(draft: Draft, slackOf: (quota: number) => number): void {
  const slack = Float64Array.from(draft.homeQuota, slackOf)
  for (let pass = 0; pass < PASSES_MAX; pass++) {
    if (!swapWhereItHelps(draft, slack)) return
  }
}

function swapWhereItHelps(draft: Draft, slack: Float64Array): boolean {
  const { rows, homes, homeQuota, shardSize } = draft
  const surplus = (place: number) => homes[rows[place]!]! - homeQuota[rows[place]!]!
  const isLeftAlone = (place: number) => Math.abs(surplus(place)) <= slack[rows[place]!]!
  let didSwap = false
  for (let home = 0; home < rows.length; home += shardSize) {
    let poorest = home
    for (let place = home + 1; place < home + shardSize; place++) {
      if (surplus(place) < surplus(poorest)) poorest = place
    }
    if (surplus(home) - surplus(poorest) < 2 || (isLeftAlone(home) && isLeftAlone(poorest))) continue
    draft.swapHome(poorest)
    didSwap = true
  }
  return didSwap
}
