/**
 * What one request is routed by: a snapshot, and what was derived from it once. Immutable but for the two arrays that
 * change by the moment. A request takes the current view when it arrives and keeps it.
 */
import type { TopologyOverlay } from '@cellplane/contract'
import { compileRoutes, type RouteTable, type Snapshot, shardRow } from '@cellplane/core'
import type { CellArrays } from '../cells/cells.ts'
import type { Topology } from '../documents/topology-follower.ts'

export type RoutingView = CellArrays & {
  readonly snapshot: Snapshot
  readonly overlay: TopologyOverlay | null
  readonly routes: RouteTable
  readonly quarantined: ReadonlySet<string>
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
  // Moving a stateful tenant would leave its data behind; there, quarantine is an override with a migration.
  const canQuarantine = base.fleet_kind === 'stateless' && snapshot.quarantineRow >= 0
  return {
    ...arrays,
    snapshot,
    overlay,
    routes: isSameBase ? previous.routes : compileRoutes(base.routes, base.fleet_kind),
    quarantined: new Set(canQuarantine ? overlay?.quarantined.map(({ tenant }) => tenant) : []),
  }
}

/** The row whose cells serve the key: quarantine first, then overrides, then the table. */
export function rowOf(view: RoutingView, key: string): number {
  return view.quarantined.size > 0 && view.quarantined.has(key)
    ? view.snapshot.quarantineRow
    : shardRow(view.snapshot, key)
}
