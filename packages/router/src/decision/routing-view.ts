/**
 * What one request is routed by: a snapshot, and what was derived from it once. Immutable but for the two arrays that
 * change by the moment. A request takes the current view when it arrives and keeps it.
 */
import type { TopologyOverlay } from '@cellplane/contract'
import { compileRoutes, type DecisionView, quarantinedTenants, type Snapshot } from '@cellplane/core'
import type { CellArrays } from '../cells/cells.ts'
import type { Topology } from '../documents/topology-follower.ts'

export type RoutingView = CellArrays &
  DecisionView & {
    readonly snapshot: Snapshot
    readonly overlay: TopologyOverlay | null
  }

/** `arrays` are indexed as the topology's snapshot is. `previous` lends what did not change. */
export function buildRoutingView(
  topology: Topology,
  arrays: CellArrays,
  previous: RoutingView | null,
): RoutingView {
  const { snapshot, overlay } = topology
  const { base } = snapshot
  const isSameBase = previous?.snapshot === snapshot
  // A confirmation that the overlay is still the current one.
  if (isSameBase && previous.overlay === overlay) return previous
  return {
    ...arrays,
    snapshot,
    overlay,
    routes: isSameBase ? previous.routes : compileRoutes(base.routes, base.fleet_kind, base.delivery),
    quarantined: quarantinedTenants(snapshot, overlay),
  }
}
