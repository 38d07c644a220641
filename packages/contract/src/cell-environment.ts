/**
 * The contract between the agent and a component, in any language: environment variables, and two HTTP paths.
 *
 * A component that only reads $PORT and answers HTTP is a complete cell; everything else is optional.
 */
export const CELL_ENV = {
  /** Where to listen, on $HOST. */
  port: 'PORT',
  host: 'HOST',
  /** postgres://user:password@127.0.0.1:port/app, the cell's own database. */
  databaseUrl: 'DATABASE_URL',
  fleet: 'CELLPLANE_FLEET',
  cell: 'CELLPLANE_CELL',
  slot: 'CELLPLANE_SLOT',
  zone: 'CELLPLANE_ZONE',
  region: 'CELLPLANE_REGION',
  component: 'CELLPLANE_COMPONENT',
  /** The lifecycle target that this process is: `run`, `bootstrap`, `health`. */
  target: 'CELLPLANE_TARGET',
  release: 'CELLPLANE_RELEASE',
  /** `stateless` or `stateful`. */
  fleetKind: 'CELLPLANE_FLEET_KIND',
  /** A file (0600) with the router secrets that this cell accepts, one a line, the current one first. */
  routerSecretFile: 'CELLPLANE_ROUTER_SECRET_FILE',
  /** Token verification: where the JWKS is (a path or an http(s) URL), and what a token must say. Absent when the fleet uses no tokens. */
  jwks: 'CELLPLANE_JWKS',
  issuer: 'CELLPLANE_TOKEN_ISSUER',
  audience: 'CELLPLANE_TOKEN_AUDIENCE',
  /** Comma-separated. */
  algorithms: 'CELLPLANE_TOKEN_ALGORITHMS',
  tenantClaim: 'CELLPLANE_TENANT_CLAIM',
  /** Where spans go: the whole URL of an OTLP/HTTP receiver that takes JSON. Absent when the fleet has none. */
  tracesUrl: 'CELLPLANE_TRACES_URL',
  /** How long this cell's records must stay readable, in hours. */
  retentionHours: 'CELLPLANE_RETENTION_HOURS',
  /** Declared ceilings, decimal; absent when unbounded. */
  requestsPerSecond: 'CELLPLANE_CAPACITY_REQUESTS_PER_SECOND',
  inFlight: 'CELLPLANE_CAPACITY_IN_FLIGHT',
  queueDepth: 'CELLPLANE_CAPACITY_QUEUE_DEPTH',
} as const

/** Path on the serving component that answers `Holdings` as JSON, to whoever shows the router secret. The kit serves it. */
export const HOLDINGS_PATH = '/cellplane/holdings'
