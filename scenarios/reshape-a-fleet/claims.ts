/** What is claimed of a fleet that is given another shape. Pure; the scenario and its test ask the same. */
import type { ReshapeResult, Step } from './run.ts'

/**
 * What a plan says of traffic is of what routers counted in the last hours, and it is held against a load of some seconds:
 * of 500 requests, a tenth less or more than a share is four standard deviations.
 */
const SHARE_OFF_MAX = 0.1

/** To the place and to the home; and of the traffic about as much. */
export function movedAsSaid({ said, moved, shareSaid, shareMoved }: Step): boolean {
  return (
    moved.places === said.places &&
    moved.homes === said.homes &&
    (shareSaid === null || Math.abs(shareMoved - shareSaid) <= SHARE_OFF_MAX)
  )
}

/** Every notification that was accepted is found by its id. */
export function nothingIsLost({ accepted, readBack }: ReshapeResult): boolean {
  return accepted > 0 && readBack['200'] === accepted
}
