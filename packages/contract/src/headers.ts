/**
 * The headers between router, cell and client. All names are lower case.
 *
 * A router removes every `cellplane-*` header that a client sends and writes its own; a cell believes them only
 * next to the cell's router secret.
 */
export const HEADERS = {
  /** The partition key. Absent when the request carried none (it was routed by its source address). */
  tenant: 'cellplane-tenant',
  /** The id of the cell that this request was sent to; also on every answer that passed a router. */
  cell: 'cellplane-cell',
  /** `home` or `alternate`. */
  role: 'cellplane-role',
  /** The tenant's generation, a decimal integer; 0 in stateless fleets. */
  generation: 'cellplane-generation',
  /** Ids of all cells of the tenant's current and former shards, home first, comma-separated. */
  shard: 'cellplane-shard',
  /** The secret that this cell shares with the routers. */
  secret: 'cellplane-secret',
  /** Set by the router on a request that is a second attempt; decimal, from 1. */
  attempt: 'cellplane-attempt',
  /** A client's wish to be answered by this cell (an id), honoured within the tenant's current and former shards. */
  wantedCell: 'x-cell',
  requestId: 'x-request-id',
  idempotencyKey: 'idempotency-key',
  traceparent: 'traceparent',
} as const

/**
 * Router → control plane: which router asks for the base and its events, percent-encoded. While a new base is watched, one
 * router gets it; whoever does not say its name is one of the others.
 */
export const ROUTER_HEADER = 'x-cellplane-router'

export const CELLPLANE_HEADER_PREFIX = 'cellplane-'

export type Role = 'home' | 'alternate'

/** Where a router answers a tenant's own endpoints on its public port: no other tenant's, and no topology. */
export const ENDPOINTS_PATH = '/.well-known/cellplane/endpoints'

/** What that path answers. `endpoints` are base URLs, home first. */
export type TenantEndpoints = {
  tenant: string
  generation: number
  endpoints: { cell: string; url: string }[]
  ttl_seconds: number
}
