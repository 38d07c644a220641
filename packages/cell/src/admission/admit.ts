/**
 * Whether this cell takes a request, and for whom. Everything that the service may rely on is checked here, in this order:
 *
 *   1. A router secret, when shown, must be ours; then the `cellplane-*` headers are believed. Without one they are not
 *      even looked at: the request is direct, from someone who found the cell by itself.
 *   2. `cellplane-cell` must be this cell; anything else was sent wrong.
 *   3. The token must be good, and names the tenant. In a fleet without tokens only a router can name one. The cell's
 *      synthetic tenant has no token: only the control plane, which has the secret, asks as it; 4 to 7 are not for it.
 *   4. The router's tenant must be the token's.
 *   5. An alternate may do only what the route's failover policy lets it.
 *   6. In a stateful fleet, a route that only the home may serve asks the register whether we are the active home, at
 *      the generation that the router believes in.
 *   7. The tenant must be within its cap, if the service gave one. Last, so that only what would be served counts.
 *
 * 421 means that nothing was done: a router that gets one refreshes its topology and tries again.
 */
import {
  type FailoverPolicy,
  HEADERS,
  PROBLEM_CONTENT_TYPE,
  type ProblemCode,
  type ProblemDetails,
  partitionKeyProblem,
  problemDetails,
  type Role,
  syntheticTenantOf,
} from '@cellplane/contract/cell'
import type { CellConfig } from '../config.ts'
import type { HomeRegister } from '../homes/home-register.ts'
import { type HeaderSource, readHeader } from './header-source.ts'
import { requestIdOf } from './request-id.ts'
import type { RouterSecrets } from './router-secrets.ts'
import type { TenantLimit } from './tenant-limit.ts'
import type { TokenVerifier } from './token-verifier.ts'
import { continueTrace, formatTraceparent, type TraceContext } from './trace-context.ts'

export type AdmissionRequest = {
  method: string
  /** What an alternate may do on this route. Left out: everything in a stateless fleet, reads only in a stateful one. */
  failover?: FailoverPolicy | undefined
}

export type Admitted = {
  ok: true
  tenant: string
  role: Role
  /** The tenant's generation; 0 in stateless fleets. */
  generation: number
  /** Cells that may hold the tenant's records, home first. Of a direct request only this one is known. */
  shard: readonly string[]
  /** False for a request that came past the routers. */
  isRouted: boolean
  /** The control plane's own request, to see whether the cell takes one: of no tenant, cap or SLO, and nothing of it may leave the cell. */
  isSynthetic: boolean
  requestId: string
  trace: TraceContext
  /** For requests that the service makes on behalf of this one. */
  traceparent: string
}

export type Refused = {
  ok: false
  problem: ProblemDetails
  /** Headers of the answer, lower case. */
  headers: Record<string, string>
  requestId: string
  trace: TraceContext
}

export type Admission = Admitted | Refused

export type AdmissionParts = {
  config: CellConfig
  secrets: RouterSecrets
  /** Undefined when the fleet uses no tokens. */
  tokens: TokenVerifier | undefined
  /** Stateful fleets only. */
  homes: HomeRegister | undefined
  /** Undefined when the cell holds no tenant to a cap. */
  tenantLimit: TenantLimit | undefined
}

type Refusal = { code: ProblemCode; detail: string; retryAfterS?: number }

/** What a router said, or what is assumed of a direct request. */
type Route = { tenant: string | undefined; role: Role; generation: number; shard: readonly string[] }

/** After this a caller may hope that the keys or the store are back. */
const RETRY_AFTER_S = 1
/** A shard has at most 8 cells, and former ones are few; more names than this are not a shard. */
const SHARD_MAX = 64

export async function admit(
  parts: AdmissionParts,
  headers: HeaderSource,
  request: AdmissionRequest,
): Promise<Admission> {
  const { config } = parts
  const trace = continueTrace(readHeader(headers, HEADERS.traceparent))
  const requestId = requestIdOf(readHeader(headers, HEADERS.requestId))
  const refuse = (refusal: Refusal): Refused => ({
    ok: false,
    requestId,
    trace,
    ...answerOf(refusal, config.cell, requestId),
  })

  const secret = readHeader(headers, HEADERS.secret)
  const isRouted = secret !== undefined
  if (isRouted && !(await parts.secrets.accepts(secret))) {
    return refuse({ code: 'FORBIDDEN', detail: 'the router secret is not this cell’s' })
  }
  const route = isRouted ? routeOf(headers, config) : directRoute(config)
  if ('code' in route) return refuse(route)

  const isSynthetic = route.tenant === syntheticTenantOf(config.cell)
  if (isSynthetic) return admitted(route.tenant!, route.generation)
  const tenant = await tenantOf(parts.tokens, readHeader(headers, 'authorization'), route)
  if (typeof tenant !== 'string') return refuse(tenant)

  const failover = request.failover ?? (config.kind === 'stateless' ? 'any' : defaultOf(request.method))
  if (route.role === 'alternate' && !mayServeAsAlternate(failover, request.method)) {
    return refuse({
      code: 'MISDIRECTED',
      detail: `this cell is an alternate of the tenant, and the route’s failover policy is ${failover}`,
    })
  }
  let generation = route.generation
  if (parts.homes && failover === 'home-only') {
    const home = await checkHome(parts.homes, tenant, isRouted ? generation : undefined)
    if (typeof home !== 'number') return refuse(home)
    generation = home
  }
  const beyondCap = parts.tenantLimit && checkLimit(parts.tenantLimit, tenant)
  if (beyondCap) return refuse(beyondCap)
  return admitted(tenant, generation)

  function admitted(tenant: string, generation: number): Admitted {
    const { role, shard } = route as Route
    const traceparent = formatTraceparent(trace)
    const said = { tenant, role, generation, shard, isRouted, isSynthetic }
    return { ok: true, ...said, requestId, trace, traceparent }
  }
}

function directRoute(config: CellConfig): Route {
  return { tenant: undefined, role: 'home', generation: 0, shard: [config.cell] }
}

function routeOf(headers: HeaderSource, config: CellConfig): Route | Refusal {
  const cell = readHeader(headers, HEADERS.cell)
  if (cell !== config.cell) {
    return { code: 'MISDIRECTED', detail: `this is not the cell ${JSON.stringify(cell ?? '')}` }
  }
  const role = readHeader(headers, HEADERS.role)
  const generation = readHeader(headers, HEADERS.generation) ?? '0'
  if ((role !== 'home' && role !== 'alternate') || !/^\d{1,15}$/.test(generation)) {
    return {
      code: 'INVALID_REQUEST',
      detail: `the router sent no valid ${HEADERS.role} and ${HEADERS.generation}; router and cell kit do not fit together`,
    }
  }
  const shard = (readHeader(headers, HEADERS.shard) ?? '')
    .split(',', SHARD_MAX)
    .map((name) => name.trim())
    .filter((name) => name !== '')
  return {
    tenant: decodeTenant(readHeader(headers, HEADERS.tenant)),
    role,
    generation: Number(generation),
    shard: shard.length > 0 ? shard : [config.cell],
  }
}

/** Headers carry bytes, which Node and fetch show as Latin-1; a tenant's name is UTF-8. */
function decodeTenant(value: string | undefined): string | undefined {
  return value === undefined ? undefined : Buffer.from(value, 'latin1').toString('utf8')
}

async function tenantOf(
  tokens: TokenVerifier | undefined,
  authorization: string | undefined,
  route: Route,
): Promise<string | Refusal> {
  if (tokens) {
    const verdict = await tokens.verify(authorization)
    if (!verdict.ok) return verdict
    return route.tenant === undefined || route.tenant === verdict.tenant
      ? verdict.tenant
      : {
          code: 'FORBIDDEN',
          detail: 'the token is for another tenant than the one the request was routed for',
        }
  }
  if (route.tenant === undefined) {
    return {
      code: 'PARTITION_KEY_INVALID',
      detail: 'the request names no tenant that a router vouches for',
    }
  }
  const why = partitionKeyProblem(route.tenant)
  return why === undefined ? route.tenant : { code: 'PARTITION_KEY_INVALID', detail: why }
}

function defaultOf(method: string): FailoverPolicy {
  return isRead(method) ? 'read' : 'home-only'
}

/**
 * What a policy means to the cell. `idempotent` is left to the router, which knows whether this is a repetition.
 */
function mayServeAsAlternate(policy: FailoverPolicy, method: string): boolean {
  return policy === 'any' || policy === 'idempotent' || (policy === 'read' && isRead(method))
}

function isRead(method: string): boolean {
  return method === 'GET' || method === 'HEAD' || method === 'OPTIONS'
}

/** The generation at which we are the tenant's active home, which must be `expected` where that is known. */
async function checkHome(
  homes: HomeRegister,
  tenant: string,
  expected: number | undefined,
): Promise<number | Refusal> {
  const misdirected = (found: string): Refusal => ({ code: 'MISDIRECTED', detail: found })
  let home: Awaited<ReturnType<HomeRegister['current']>>
  try {
    home = await homes.current(tenant)
  } catch {
    return { code: 'STORE_UNAVAILABLE', detail: 'the cell cannot tell at the moment whether it is the home' }
  }
  if (!home) return misdirected('the tenant is not registered at this cell')
  if (!home.isActive) return misdirected('the tenant’s home is elsewhere')
  if (expected !== undefined && home.generation !== expected) {
    return misdirected(`routed at generation ${expected}; the tenant is here at ${home.generation}`)
  }
  return home.generation
}

function checkLimit(limit: TenantLimit, tenant: string): Refusal | undefined {
  const taken = limit.take(tenant)
  if (taken.ok) return undefined
  return {
    code: 'TOO_MANY_REQUESTS',
    detail:
      'the tenant has had all that it may have of this cell for now; try again after the time in Retry-After',
    retryAfterS: Math.max(1, Math.ceil(taken.waitMs / 1000)),
  }
}

/** A problem as an answer. `cell` is named so that a person who reads it knows where to look. */
export function answerOf(
  { code, detail, retryAfterS = RETRY_AFTER_S }: Refusal,
  cell: string,
  requestId: string,
): { problem: ProblemDetails; headers: Record<string, string> } {
  const problem = problemDetails(code, detail, { request_id: requestId, cell })
  return {
    problem,
    headers: {
      'content-type': PROBLEM_CONTENT_TYPE,
      [HEADERS.requestId]: requestId,
      ...(problem.status === 401 ? { 'www-authenticate': challengeOf(code) } : {}),
      ...(problem.status === 503 || problem.status === 429 ? { 'retry-after': String(retryAfterS) } : {}),
    },
  }
}

/** RFC 6750, section 3: no error code when no token was sent. */
function challengeOf(code: ProblemCode): string {
  return code === 'TOKEN_MISSING' ? 'Bearer' : 'Bearer error="invalid_token"'
}
