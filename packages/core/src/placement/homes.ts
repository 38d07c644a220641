/**
 * Balancing homes: with home-first routing the homes are the load, so they too have quotas.
 *
 * Where a cell has too many or too few, a row's home is swapped with the alternate that lacks homes most, whenever the
 * fleet is nearer to its quotas after that. Distance is Σ (homes − quota)² ÷ quota: one home too many weighs more at a
 * small cell. It falls with every swap, so this ends. A cell that no neighbour has room for passes its surplus on
 * through them, since they then have too many themselves; cells meet in many rows, so that comes out even.
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
  const surplus = (cell: number) => homes[cell]! - homeQuota[cell]!
  const isLeftAlone = (cell: number) => Math.abs(surplus(cell)) <= slack[cell]!
  /** Whether the distance falls when `from` gives a home to `to`: (2s − 1) ÷ q of the one is above (2s + 1) ÷ q of the other. */
  const doesHelp = (from: number, to: number) =>
    (2 * surplus(from) - 1) * homeQuota[to]! > (2 * surplus(to) + 1) * homeQuota[from]!
  let didSwap = false
  for (let start = 0; start < rows.length; start += shardSize) {
    const home = rows[start]!
    let takerAt = -1
    for (let place = start + 1; place < start + shardSize; place++) {
      const taker = takerAt < 0 ? home : rows[takerAt]!
      if (doesHelp(home, rows[place]!) && (takerAt < 0 || lacksMore(rows[place]!, taker))) takerAt = place
    }
    if (takerAt < 0 || (isLeftAlone(home) && isLeftAlone(rows[takerAt]!))) continue
    draft.swapHome(takerAt)
    didSwap = true
  }
  return didSwap

  function lacksMore(a: number, b: number): boolean {
    return surplus(a) * homeQuota[b]! < surplus(b) * homeQuota[a]!
  }
}
