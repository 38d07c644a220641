/**
 * What one request is routed by: a snapshot, and what was derived from it once. Immutable but for the two arrays that
 * change by the moment. A request takes the current view when it arrives and keeps it.
 *
 * Tenants that this router has suspended go to the quarantine cell, as if the overlay said so. Where they cannot (there
 * is none, or their data would stay behind) they are refused.
 */
import type { TopologyOverlay } from '@cellplane/contract'
import {
  compileRoutes,
  type DecisionView,
  type HeldTenants,
  heldTenants,
  NOBODY_HELD,
  quarantinedTenants,
  type Snapshot,
  throttledTenants,
} from '@cellplane/core/data-plane'
import type { CellArrays } from '../cells/cells.ts'
import { monotonicNow } from '../clock.ts'
import type { Topology } from '../documents/topology-follower.ts'

export type RoutingView = CellArrays &
  DecisionView & {
    readonly snapshot: Snapshot
    readonly overlay: TopologyOverlay | null
    /** Whether a tenant can be served by the quarantine cell. */
    readonly canQuarantine: boolean
    /** Tenants that are in quarantine at home, and the share of their cap that they have there. */
    readonly throttled: ReadonlyMap<string, number>
    /** Tenants whose requests wait: their home is being switched. */
    readonly held: HeldTenants
    /** By this router: see `createCrashWatch`. */
    readonly suspended: ReadonlySet<string>
    /** The overlay refines a newer base than this one, which is on its way. */
    readonly isBaseDue: boolean
  }

/** `arrays` are indexed as the topology's snapshot is. `previous` lends what did not change. */
export function buildRoutingView(
  topology: Topology,
  arrays: CellArrays,
  suspended: ReadonlySet<string>,
  previous: RoutingView | null,
): RoutingView {
  const { snapshot, overlay } = topology
  const { base } = snapshot
  const isSameBase = previous?.snapshot === snapshot
  // A confirmation that the overlay is still the current one.
  if (isSameBase && previous.overlay === overlay && previous.suspended === suspended) return previous
  const canQuarantine = base.fleet_kind === 'stateless' && snapshot.quarantineRow >= 0
  const quarantined = quarantinedTenants(snapshot, overlay)
  return {
    ...arrays,
    snapshot,
    overlay,
    routes: isSameBase ? previous.routes : compileRoutes(base.routes, base.fleet_kind, base.delivery),
    quarantined: canQuarantine && suspended.size > 0 ? quarantined.union(suspended) : quarantined,
    canQuarantine,
    held: heldTenants(snapshot, overlay, previous?.held ?? NOBODY_HELD, monotonicNow()),
    throttled: previous?.overlay === overlay ? previous.throttled : throttledTenants(overlay),
    suspended,
    isBaseDue: isBaseDue(topology),
  }
}

function isBaseDue({ snapshot: { base }, overlay }: Topology): boolean {
  if (!overlay || overlay.epoch < base.epoch) return false
  return overlay.epoch > base.epoch || overlay.base_version > base.version
}
