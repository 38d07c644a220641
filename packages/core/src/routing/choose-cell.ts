/**
 * The choice of one cell from a row.
 *
 * What is unfit is passed over; of the rest it is the home, or the cell with the least in flight. A cell that has just
 * come back is fit in part: the request's own draw decides whether it takes this one, so that its share grows with its
 * fitness. When every cell of the row is out, the first one is taken all the same, as the guide has it: the failure
 * then shows as what it is, and a monitor that lies cannot refuse anybody's traffic.
 */
import type { RoutingIndex } from '../topology/routing-index.ts'
import { rowEnd, rowStart } from './rows.ts'

export const FITNESS_OUT = 0
export const FITNESS_FULL = 255

/**
 * @param fitness by cell index: 0 out, 255 fully fit, between them the share (of 255) of its requests that it takes
 * @param inFlight by cell index
 * @param draw 0–254, uniform, from the caller; one draw serves one request
 * @param excluded a cell index that failed this request already, or -1
 * @returns a cell index, or -1 when only `excluded` would be left
 */
export function chooseCell(
  index: RoutingIndex,
  row: number,
  fitness: Uint8Array,
  inFlight: Uint32Array,
  draw: number,
  excluded: number,
): number {
  const { members, isHomeFirst } = index
  const start = rowStart(index, row)
  const end = rowEnd(index, row)
  let chosen = -1
  let passedOver = -1
  for (let place = start; place < end; place++) {
    const cell = members[place]!
    if (cell === excluded) continue
    const fit = fitness[cell]!
    if (fit === FITNESS_OUT) continue
    if (fit < FITNESS_FULL && draw >= fit) {
      if (passedOver < 0) passedOver = cell
    } else if (isHomeFirst) {
      return cell
    } else if (chosen < 0 || inFlight[cell]! < inFlight[chosen]!) {
      chosen = cell
    }
  }
  if (chosen >= 0) return chosen
  // A cell that is only partly fit is better than one that is out.
  if (passedOver >= 0) return passedOver
  const first = members[start]!
  return first === excluded ? -1 : first
}
