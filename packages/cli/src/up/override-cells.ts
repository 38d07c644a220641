/** `--cells N`: the fleet file with another number of cells, checked anew. */
import { type FleetFile, parseFleet } from '@cellplane/contract/fleet-file'
import { Failure, usageFailure } from '../failure.ts'
import { invalidFleet, type ReadFleet } from '../fleet/fleet-file.ts'

/** Fails when the file lists its cells one by one, or when what it says does not hold for that many. */
export function overrideCells({ fleet, path }: ReadFleet, cells: number | undefined): FleetFile {
  if (cells === undefined) return fleet
  if (fleet.cells.list) {
    throw usageFailure(`--cells ${cells}: ${path} lists its cells one by one; change cells.list there`)
  }
  const changed = parseFleet({ ...fleet, cells: { ...fleet.cells, count: cells } })
  if (changed.ok) return changed.value
  const { message, problems } = invalidFleet(path, changed.problems)
  throw new Failure('FLEET_FILE_INVALID', `with --cells ${cells}, ${message}`, { problems })
}
