/** @cellplane/core: placement, topology, routing, health, blast radius, sizing. Pure: no clock, no randomness, no I/O. */

export * from './admission/adaptive-limit.ts'
export * from './admission/priority.ts'
export * from './admission/rate.ts'
export * from './blast-radius/blast-radius.ts'
export * from './cells/lifecycle.ts'
export * from './cells/slots.ts'
export * from './cells/stores.ts'
export { bucketOf, hashKey } from './hash/bucket.ts'
export { xxh32 } from './hash/xxh32.ts'
export * from './health/crash-suspects.ts'
export * from './health/fleet.ts'
export * from './health/outliers.ts'
export * from './health/probes.ts'
export * from './health/ramp.ts'
export * from './placement/measure.ts'
export * from './placement/place.ts'
export {
  type CrowdedCell,
  crowdedCells,
  excessOf,
  TENANTS_BOUND_UNMET,
  type TenantLoad,
} from './placement/tenant-bounds.ts'
export * from './retry/budget.ts'
export * from './routing/choose-cell.ts'
export * from './routing/failover.ts'
export * from './routing/partition-key.ts'
export * from './routing/routes.ts'
export {
  type RowSource,
  rowGeneration,
  rowSource,
  shardOf,
  shardRow,
  shardsOf,
} from './routing/rows.ts'
export * from './routing/target.ts'
export type { Lint } from './sizing/lint.ts'
export * from './sizing/lint-partition-key.ts'
export * from './sizing/size-fleet.ts'
export * from './topology/accept.ts'
export * from './topology/compile.ts'
export * from './topology/diff.ts'
export * from './topology/overlay-marks.ts'
export * from './topology/routing-index.ts'
export * from './topology/snapshot.ts'
