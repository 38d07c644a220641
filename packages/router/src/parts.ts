/**
 * The parts of a router that decide, without its sockets, for whoever composes one on other ground: the simulator. What
 * runs there is what ships, so nothing here is written for it.
 */
export type { Cell } from './cells/cell.ts'
export { type Attempted, createCells, TICK_MS } from './cells/cells.ts'
export { admitAtCell, admitTenant } from './decision/admission.ts'
export { type BrokenRequest, createCrashWatch } from './decision/crash-watch.ts'
export { createLimitShares, type LimitShares } from './decision/limit-shares.ts'
export { buildRoutingView, type RoutingView } from './decision/routing-view.ts'
export { isUnserved, MISDIRECTED, pickSecondTarget, takeRetry } from './decision/second-attempt.ts'
export { createTenants, shardIn, type Tenant, type TenantShard } from './decision/tenants.ts'
export { READER_LIMITS } from './documents/document-reader.ts'
export type { DocumentName, LastGood } from './documents/last-good.ts'
export { createRefusals } from './documents/refusals.ts'
export { startTopologyFollower, type Topology, type TopologyFollower } from './documents/topology-follower.ts'
export { startReporter } from './reports/reporter.ts'
export { draw, pickCell } from './serve/pick-cell.ts'
