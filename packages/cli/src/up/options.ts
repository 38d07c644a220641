/** What `cellplane up` was asked for, and the fleet that comes of it. */
import type { FleetFile } from '@cellplane/contract/fleet-file'
import type { ReadFleet } from '../fleet/fleet-file.ts'
import type { FleetFlags } from '../fleet/locate.ts'
import { tokenPolicyOf } from '../tokens/development-issuer.ts'
import { type ObservabilityFlags, observabilityWith } from './observability.ts'
import { overrideCells } from './override-cells.ts'
import type { PortFlags } from './ports.ts'

export type UpFlags = FleetFlags & PortFlags & ObservabilityFlags & { cells?: number; release?: string }

/** The fleet file with the flags applied, and the development issuer where it names none. */
export function applyFlags(read: ReadFleet, flags: UpFlags): FleetFile {
  const fleet = overrideCells(read, flags.cells)
  const tokens = tokenPolicyOf(fleet)
  return {
    ...fleet,
    ...(flags.release === undefined ? {} : { release: flags.release }),
    ...(tokens === undefined ? {} : { tokens }),
    observability: observabilityWith(fleet.observability, flags),
  }
}
