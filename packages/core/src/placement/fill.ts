/**
 * Filling holes: each row gets, for its holes, the best-scored groups that it lacks, and of each group the best-scored
 * cell; cells that have reached their quota are passed over.
 *
 * The last rows may find nothing open that fits them. They then take the best regardless, and `level.ts` evens it out
 * across all rows.
 *
 * This is the one loop over buckets × cells: 65 million scores for 1,000 cells and 65,536 buckets.
 */
import { type Draft, NO_CELL } from './draft.ts'
import { score } from './scores.ts'

export function fillHoles(draft: Draft): void {
  const { groups, groupOf, quota, places, rows, shardSize, buckets, bucketKeys } = draft
  const keys = Uint32Array.from(groups, (group) => group.key)
  const handicaps = Float64Array.from(groups, (group) => group.handicap)
  /** Cells below their quota, by group. */
  const open = Uint32Array.from(groups, (group) => group.cells.filter((i) => places[i]! < quota[i]!).length)
  /** The last row (counted from 1) that had a cell of the group. */
  const seenIn = new Uint32Array(groups.length)
  const best = new Uint16Array(shardSize)
  const bestScores = new Float64Array(shardSize)

  /** The `wanted` best-scored groups that the row lacks, into `best`; returns how many there are. */
  function pickGroups(bucket: number, wanted: number, onlyOpen: boolean): number {
    const bucketKey = bucketKeys[bucket]!
    let found = 0
    let worst = Number.POSITIVE_INFINITY
    for (let g = 0; g < keys.length; g++) {
      const value = score(bucketKey, keys[g]!, handicaps[g]!)
      if (value >= worst || seenIn[g] === bucket + 1 || (onlyOpen && open[g] === 0)) continue
      let at = found < wanted ? found++ : wanted - 1
      for (; at > 0 && bestScores[at - 1]! > value; at--) {
        best[at] = best[at - 1]!
        bestScores[at] = bestScores[at - 1]!
      }
      best[at] = g
      bestScores[at] = value
      if (found === wanted) worst = bestScores[wanted - 1]!
    }
    return found
  }

  for (let bucket = 0; bucket < buckets; bucket++) {
    const end = (bucket + 1) * shardSize
    let place = bucket * shardSize
    for (; place < end && rows[place] !== NO_CELL; place++) seenIn[groupOf[rows[place]!]!] = bucket + 1
    for (let onlyOpen = true; place < end; onlyOpen = false) {
      const found = pickGroups(bucket, end - place, onlyOpen)
      for (let i = 0; i < found; i++) {
        const g = best[i]!
        const cell = pickCell(draft, g, bucketKeys[bucket]!, onlyOpen)
        draft.put(place++, cell)
        seenIn[g] = bucket + 1
        if (places[cell] === quota[cell]) open[g]!--
      }
    }
  }
}

function pickCell(draft: Draft, g: number, bucketKey: number, onlyOpen: boolean): number {
  const { groups, places, quota, cellKeys, handicaps } = draft
  let best = NO_CELL
  let bestScore = Number.POSITIVE_INFINITY
  for (const cell of groups[g]!.cells) {
    if (onlyOpen && places[cell]! >= quota[cell]!) continue
    const value = score(bucketKey, cellKeys[cell]!, handicaps[cell]!)
    if (value < bestScore) {
      best = cell
      bestScore = value
    }
  }
  return best
}
