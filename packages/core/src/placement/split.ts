/**
 * Split and merge: a cell's buckets are shared with one that has none, or all go to another one. Nobody else's tenants move.
 *
 * **Split.** Half of the traffic that was observed goes to the new cell: the heaviest buckets first, each to whichever of the
 * two has less so far (Graham's rule; the difference is at most the last bucket's weight), and those nobody asks for to
 * whichever has fewer. The new cell takes the place of the old one in the bucket, home or alternate.
 *
 * **Merge.** Each bucket of the cell gets the other one instead. Where it has that one already, or in its zone another, or
 * where the other's bound on tenants is reached, a third cell takes the place: the one with the fewest places for its weight.
 */
import { type HandedOver, type HandOverInput, handedOver, startHandOver } from './hand-over.ts'
import type { PlacedCell } from './place.ts'

/** `kept`: buckets that could not be given away for their zones or a bound on tenants. */
export type Split = HandedOver & { kept: number }

/** `requestsByBucket` may be all 0. `from` and `into` are slots; `into` has no places yet. */
export function splitCell(
  input: HandOverInput & { requestsByBucket: Float64Array },
  from: number,
  into: number,
): Split {
  const { policy, requestsByBucket } = input
  const draft = startHandOver(input)
  const bucketOf = (place: number) => Math.floor(place / policy.shardSize)
  const weightAt = (place: number) => requestsByBucket[bucketOf(place)]!
  const own: number[] = []
  for (const [place, slot] of draft.rows.entries()) if (slot === from) own.push(place)
  own.sort((a, b) => weightAt(b) - weightAt(a) || a - b)
  const carries = { from: 0, into: 0 }
  const places = { from: 0, into: 0 }
  let kept = 0
  for (const place of own) {
    const weight = weightAt(place)
    const isIntoNext =
      carries.into === carries.from || weight === 0 ? places.into <= places.from : carries.into < carries.from
    const doesFit = isIntoNext && draft.fits(place, into)
    if (isIntoNext && !doesFit) kept++
    if (doesFit) draft.give(place, into)
    const side = doesFit ? 'into' : 'from'
    carries[side] += weight
    places[side]++
  }
  return { ...handedOver(draft), kept }
}

/** `elsewhere`: buckets that a third cell took. `left`: buckets that nobody could take, for zones and bounds. */
export type Merge = HandedOver & { elsewhere: number; left: number }

export function mergeCell(input: HandOverInput, from: number, into: number): Merge {
  // Which zones there are is a question of the cells that stay.
  const draft = startHandOver({ ...input, cells: input.cells.filter((cell) => cell.slot !== from) })
  const others = input.cells.filter((cell) => cell.slot !== from && cell.slot !== into && cell.weight > 0)
  const fullness = (cell: PlacedCell) => draft.placesOf(cell.slot) / cell.weight
  let elsewhere = 0
  let left = 0
  for (const [place, slot] of input.table.entries()) {
    if (slot !== from) continue
    if (draft.fits(place, into)) {
      draft.give(place, into)
      continue
    }
    const third = others
      .filter((cell) => draft.fits(place, cell.slot))
      .sort((a, b) => fullness(a) - fullness(b) || a.slot - b.slot)[0]
    if (third) {
      draft.give(place, third.slot)
      elsewhere++
    } else left++
  }
  return { ...handedOver(draft), elsewhere, left }
}
