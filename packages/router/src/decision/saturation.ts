/**
 * How full requests find a cell: what is under way as a share of the limit in force, taken at each attempt before it
 * joins, so that an empty cell is found empty whatever its limit is. Weighing by requests and not by time says what
 * callers met: a minute at the ceiling at night is few requests, one at noon is many.
 *
 * There are two limits, of requests under way and of those that wait for their answers (`admission.ts`); the fuller one
 * counts. Neither is ever missing: a cell that declares no ceiling has this process's sockets for it. What a ceiling
 * turned away is beyond all bounds, whichever it was: of rate, of requests under way, or of a lower priority's share.
 *
 * Multiplied instead of divided, in whole numbers: a share that is exactly a bound counts for it, and an easy cell costs
 * two comparisons.
 */
import { SATURATION_SHARES } from '@cellplane/contract'
import type { Cell } from '../cells/cell.ts'

const BOUNDS_TENTHS = SATURATION_SHARES.map((share) => Math.round(share * 10))

/** What was turned away is counted here, above the counts for each of SATURATION_SHARES. */
const TURNED_AWAY = BOUNDS_TENTHS.length

/** Requests by how full they found the cell. */
export const createSaturation = () => new Float64Array(TURNED_AWAY + 1)

/** A request that is let through. */
export function countLetIn({ counters, inFlight, inFlightMax, waiting, adaptive }: Cell): void {
  const bucket = bucketOf(inFlight, inFlightMax)
  const other = adaptive === null ? 0 : bucketOf(waiting, adaptive.ceiling)
  counters.saturation[bucket > other ? bucket : other]!++
}

/** A request that one of the cell's ceilings turned away. */
export function countTurnedAway({ counters }: Cell): void {
  counters.shed++
  counters.saturation[TURNED_AWAY]!++
}

/** The first of the bounds that is no less than `held` of `limit`; both are whole numbers. */
function bucketOf(held: number, limit: number): number {
  let bucket = 0
  while (bucket < TURNED_AWAY - 1 && 10 * held > BOUNDS_TENTHS[bucket]! * limit) bucket++
  return bucket
}
