/**
 * The choice of one cell from a row.
 *
 * What is unfit is passed over; one of the rest is taken, as the fleet's `choice` has it:
 *
 * - `home-first`: the home while it is fit, then the next.
 * - `least-loaded`: two of the fit ones, drawn at random, and of these the one with less in flight for its capacity. Two
 *   are nearly as good as all (Mitzenmacher, "The power of two choices", 2001), and routers that each see their own part
 *   of the load do not all run after the same cell. A tie is drawn by weight, so that an idle fleet is used evenly too.
 * - `weighted`: one of the fit ones, drawn by weight.
 *
 * A cell that is new or has just come back is fit in part: the request's own draw decides whether it may be taken at all,
 * so that its share is bounded by its fitness whatever the choice, and however fast it fails and looks idle. For
 * `least-loaded` its capacity is that part, too. When only such cells are left, it is the fittest of them.
 *
 * When every cell of the row is out, the first one is taken all the same, as the guide has it: the failure then shows as
 * what it is, and a monitor that lies cannot refuse anybody's traffic.
 */
import type { RoutingIndex } from '../topology/routing-index.ts'
import { rowEnd, rowStart } from './rows.ts'

export const FITNESS_OUT = 0
export const FITNESS_FULL = 255

/** Ways to spread what is fit: two of eight cells are drawn with it, and 75,000 steps are left for a tie between them. */
const SPREADS = 2 ** 22

/**
 * How many draws there are. A draw says two things that must not hang together: `draw % 255` whether a cell that is fit
 * in part is taken, and `floor(draw / 255)` which of the fit ones. Below 2³⁰: an integer that needs no memory.
 */
export const DRAWS = FITNESS_FULL * SPREADS

/**
 * @param fitness by cell index: 0 out, 255 fully fit, between them the share (of 255) of its requests that it takes
 * @param inFlight by cell index
 * @param draw an integer from 0 to DRAWS − 1, uniform, from the caller; one draw serves one request
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
  const { members } = index
  const start = rowStart(index, row)
  const end = rowEnd(index, row)
  const chosen = index.isHomeFirst
    ? firstFit(members, start, end, fitness, draw, excluded)
    : drawnFit(index, start, end, fitness, inFlight, draw, excluded)
  if (chosen >= 0) return chosen
  // A cell that is only partly fit is better than one that is out.
  let fittest = -1
  for (let place = start; place < end; place++) {
    const cell = members[place]!
    if (cell === excluded || fitness[cell]! === FITNESS_OUT) continue
    if (fittest < 0 || fitness[cell]! > fitness[fittest]!) fittest = cell
  }
  if (fittest >= 0) return fittest
  const first = members[start]!
  return first === excluded ? -1 : first
}

function firstFit(
  members: Uint16Array,
  start: number,
  end: number,
  fitness: Uint8Array,
  draw: number,
  excluded: number,
): number {
  for (let place = start; place < end; place++) {
    const cell = members[place]!
    const fit = fitness[cell]!
    // Most are fully fit, or out: the draw is not taken apart for them.
    if (cell === excluded || fit === FITNESS_OUT) continue
    if (fit === FITNESS_FULL || draw % FITNESS_FULL < fit) return cell
  }
  return -1
}

function drawnFit(
  index: RoutingIndex,
  start: number,
  end: number,
  fitness: Uint8Array,
  inFlight: Uint32Array,
  draw: number,
  excluded: number,
): number {
  const { members, weights } = index
  const gate = draw % FITNESS_FULL
  let count = 0
  let total = 0
  let one = -1
  let other = -1
  for (let place = start; place < end; place++) {
    const cell = members[place]!
    if (cell === excluded || gate >= fitness[cell]!) continue
    count++
    total += weights[cell]!
    if (count === 1) one = cell
    else if (count === 2) other = cell
  }
  if (count <= 1) return one
  let spread = Math.floor(draw / FITNESS_FULL) / SPREADS
  if (index.isWeighted) {
    let left = spread * total
    for (let place = start; place < end; place++) {
      const cell = members[place]!
      if (cell === excluded || gate >= fitness[cell]!) continue
      if (left < weights[cell]!) return cell
      left -= weights[cell]!
    }
    return one
  }
  if (count > 2) {
    // The first digits of the draw say which two of them, the last ones decide a tie.
    const nth = Math.floor(spread * count)
    const rest = (spread * count - nth) * (count - 1)
    const further = Math.floor(rest)
    one = nthFit(members, start, end, fitness, gate, excluded, nth)
    other = nthFit(members, start, end, fitness, gate, excluded, (nth + 1 + further) % count)
    spread = rest - further
  }
  // Each one's load for its capacity, multiplied by both capacities: nothing is divided.
  const loadOfOne = inFlight[one]! * weights[other]! * fitness[other]!
  const loadOfOther = inFlight[other]! * weights[one]! * fitness[one]!
  if (loadOfOne !== loadOfOther) return loadOfOne < loadOfOther ? one : other
  return spread * (weights[one]! + weights[other]!) < weights[one]! ? one : other
}

/** The n-th, from 0, of the row's cells that may be taken with this draw. */
function nthFit(
  members: Uint16Array,
  start: number,
  end: number,
  fitness: Uint8Array,
  gate: number,
  excluded: number,
  nth: number,
): number {
  let left = nth
  for (let place = start; place < end; place++) {
    const cell = members[place]!
    if (cell !== excluded && gate < fitness[cell]! && left-- === 0) return cell
  }
  return -1
}
