/** What is claimed of a fleet that is given another shape. Pure; the scenario and its test ask the same. */
import type { Share } from './moves.ts'
import type { ReshapeResult, Step } from './run.ts'

/**
 * What a plan says of traffic is of the requests that routers had counted by then; it is held against those that this load has sent
 * in all. Both are counts of chance, so the two may differ by four standard deviations of their difference. Of 500 requests and
 * 500, what is said to be 8 % may be found to be 1 % to 15 %, and not nothing.
 */
const DEVIATIONS_MAX = 4

/** To the place and to the home; and of the traffic about as much. */
export function movedAsSaid({ said, moved, shareSaid, shareMoved }: Step): boolean {
  return (
    moved.places === said.places &&
    moved.homes === said.homes &&
    (shareSaid === null || isAbout(shareMoved, shareSaid))
  )
}

function isAbout(moved: Share, said: Share): boolean {
  const deviation = Math.sqrt(said.share * (1 - said.share) * (1 / said.of + 1 / moved.of))
  return Math.abs(moved.share - said.share) <= DEVIATIONS_MAX * deviation
}

/** A plan that moves nothing proves nothing of plans: at least one that was read moved places and traffic. */
export function aPlanMoved({ steps }: ReshapeResult): boolean {
  return steps.some(
    ({ moved, shareSaid, shareMoved }) => shareSaid !== null && moved.places > 0 && shareMoved.share > 0,
  )
}

/** Every notification that was accepted is found by its id. */
export function nothingIsLost({ accepted, readBack }: ReshapeResult): boolean {
  return accepted > 0 && readBack['200'] === accepted
}
