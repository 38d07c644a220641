/**
 * What is replayed: the fleet, its load and the two bad tenants. The same for both kinds of ground.
 *
 * Back of the envelope. A cell that crashed serves again after a boot of a second and what starting a process takes: about
 * 1.5 s. Six poisonous requests a second, each tried up to three times where a proxy replaces failed cells, are up to
 * eighteen crashes a second against eight cells that come back at five a second: the whole fleet is down most of the time.
 * Kept to two cells, the same requests can crash no more than these two, and are stopped at the second crash.
 */
export type Plan = {
  cells: number
  shardSize: number
  /** Good tenants, alike. */
  tenants: number
  requestsPerSecond: number
  /** Requests of each bad tenant. */
  badRequestsPerSecond: number
  service: ServicePlan
  /** A caller gives up on a call after this time. */
  callTimeoutMs: number
  beforeMs: number
  /** From then on the poisonous tenant sends, to the end. */
  poisonMs: number
  /** From then on another tenant, whose requests are answered 500, sends too. */
  failingMs: number
  seed: number
}

export type ServicePlan = {
  workMs: number
  /** Between the start of a process and its first answer: caches, connections. */
  bootMs: number
}

export const PLAN: Plan = {
  cells: 8,
  shardSize: 2,
  tenants: 80,
  requestsPerSecond: 60,
  badRequestsPerSecond: 6,
  service: { workMs: 30, bootMs: 1_000 },
  callTimeoutMs: 2_000,
  beforeMs: 2_000,
  poisonMs: 6_000,
  failingMs: 7_000,
  seed: 1,
}

export const TENANT_HEADER = 'x-tenant'
/** Its requests crash the process that serves them. */
export const POISON = 'poison'
/** Its requests are answered 500. By its name its cells are others than the poisonous tenant's, with 4 cells and with 8. */
export const FAILING = 'failing'

export const tenantNames = ({ tenants }: Plan): string[] =>
  Array.from({ length: tenants }, (_, i) => `tenant-${String(i).padStart(3, '0')}`)

export const totalMs = ({ beforeMs, poisonMs, failingMs }: Plan): number => beforeMs + poisonMs + failingMs
