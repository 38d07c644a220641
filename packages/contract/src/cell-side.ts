/**
 * What a cell's own processes need of the contract: the environment, headers, codes, ids, rates, the router secret. Nothing here
 * loads a schema library, because each cell runs several processes, and each would pay for it.
 */
export * from './cell-environment.ts'
export type { CellHealth } from './cell-health.ts'
export * from './cell-naming-id.ts'
export * from './headers.ts'
export * from './partition-key.ts'
export * from './problem-codes.ts'
export type { ProblemDetails } from './problem-details.ts'
export * from './rate.ts'
export { isReceiverUrl } from './receiver-url.ts'
export type { Holdings } from './registry/cell.ts'
export { secretsMatch } from './router-secret.ts'
export type { FailoverPolicy, FleetKind } from './routing-rules.ts'
export * from './synthetic-tenant.ts'
