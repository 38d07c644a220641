/**
 * @cellplane/core/data-plane: what decides about a request and reads a topology, and nothing of what makes one. A router
 * that loaded placement, checks, sizing and waves as well would hold 8 MB that it never uses.
 */
export * from './admission/adaptive-limit.ts'
export * from './admission/priority.ts'
export * from './admission/shares.ts'
export { type GuardedBase, guardedBase } from './check/guard.ts'
export { bucketOf, hashKey } from './hash/bucket.ts'
export * from './health/crash-suspects.ts'
export * from './health/durations.ts'
export * from './health/outliers.ts'
export * from './health/ramp.ts'
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
export * from './tenants/heavy-hitters.ts'
export * from './tenants/window-count.ts'
export * from './topology/accept.ts'
export * from './topology/held-tenants.ts'
export * from './topology/overlay-fit.ts'
export * from './topology/overlay-marks.ts'
export * from './topology/pack-index.ts'
export * from './topology/routing-index.ts'
export * from './topology/snapshot.ts'
