/**
 * A service's cell, in one value: admission on top of what every process of a cell has.
 *
 * It knows no web framework. `admit` reads headers in either of the two usual forms, `ownRoutes` answers the kit's own paths
 * as status, headers and body; `@cellplane/cell/hono` and `withOwnRoutes` put both where they belong.
 */
import { type Admission, type AdmissionRequest, admit } from './admission/admit.ts'
import type { HeaderSource } from './admission/header-source.ts'
import { createRouterSecrets } from './admission/router-secrets.ts'
import { createTenantLimit } from './admission/tenant-limit.ts'
import { createTokenVerifier } from './admission/token-verifier.ts'
import { type CellProcess, type CellProcessOptions, createCellProcess } from './cell-process.ts'
import type { CellConfig } from './config.ts'
import type { HomeRegister } from './homes/home-register.ts'
import { newId } from './ids/new-id.ts'
import { forRequest, type Logger } from './observing/logger.ts'

export type CellOptions = CellProcessOptions & {
  /** Stateful fleets: where this cell keeps whose home it is. Without it, home-only routes rest on the router's word. */
  homes?: HomeRegister
  /**
   * What one tenant may have of this cell; beyond it 429. Routers hold a cap of capacity over shard size by shares; where
   * all of a tenant's requests come to this process, the same number here holds it exactly.
   */
  tenantRequestsPerSecondMax?: number
}

export type Cell = CellProcess & {
  /** Whether this cell takes the request, and for which tenant; a refusal is a ready-made answer. Never throws for what a caller sent. */
  admit(headers: HeaderSource, request: AdmissionRequest): Promise<Admission>
  /** An id that names this cell (`ntf_3_…`): reads of it come here. Ids sort by the time they were made. */
  newId(kind: string): string
  /** A logger whose lines carry the request's tenant and trace. */
  loggerFor(admission: Admission): Logger
}

/** Throws when the router secrets cannot be read, or the tenants' cap is none; everything else that may be missing at the start is waited for. */
export function createCell(config: CellConfig, options: CellOptions = {}): Cell {
  const secrets = createRouterSecrets(config.routerSecretFile)
  const process = createCellProcess(config, options, secrets)
  const tokens = config.tokens && createTokenVerifier(config.tokens)
  const { homes, tenantRequestsPerSecondMax: tenantRate } = options
  const tenantLimit = tenantRate === undefined ? undefined : createTenantLimit(tenantRate)
  const parts = { config, secrets, tokens, homes, tenantLimit }
  return {
    ...process,
    newId: (kind) => newId(kind, config.slot, Date.now()),
    admit: (headers, request) => admit(parts, headers, request),
    loggerFor: (admission) => forRequest(process.logger, admission),
  }
}
