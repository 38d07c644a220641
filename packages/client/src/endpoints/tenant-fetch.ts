/**
 * `fetch` for one tenant, straight to its cells: the home first, another cell of its shard when the home does not answer.
 *
 * Endpoints come from the token when it carries them, else from a router, and are asked for again when they are old or
 * when a cell says that it is not the tenant's home (421). What was known last stays in use while no router answers.
 *
 * One request is tried at each endpoint at most once, and goes on to the next only when that cannot do harm:
 * - a request that is safe to repeat (GET, HEAD, OPTIONS, PUT, DELETE, or one with an Idempotency-Key) after no answer,
 *   or after 502, 503 or 504,
 * - any request after 421, which says that nothing was processed.
 * A 503 that names the cell an id belongs to (CELL_UNAVAILABLE) is an answer: no other cell has the record.
 *
 * An endpoint that failed is asked last for a while, so that an outage does not cost a timeout on every request.
 */
import { HEADERS, PROBLEM_CODES } from '@cellplane/contract/http'
import { pause } from '../pause.ts'
import { type CellEndpoint, endpointsFromToken, tenantEndpoints } from './tenant-endpoints.ts'

export type TenantFetchOptions = {
  /** Asked for endpoints when the token carries none. */
  routerUrl: string
  /** The tenant's token, or how to get the current one: called for every request. */
  token: string | (() => string | Promise<string>)
  fetch?: typeof fetch
  /** For one endpoint to answer (its head). */
  attemptTimeoutMs?: number
  /** Milliseconds, rising. For tests. */
  now?: () => number
}

/** Takes a path such as `/v1/notifications`. Rejects with the last endpoint's failure, or EndpointsError when none is known. */
export type TenantFetch = (path: string, init?: RequestInit) => Promise<Response>

const ATTEMPT_TIMEOUT_MS = 10_000
/** How long an endpoint that failed is asked last. */
const AVOID_MS = 10_000
/** Between two tries to get newer endpoints while the known ones can still be used. */
const REFRESH_RETRY_MS = 5_000
/** However short a router says that its answer lasts: a router is not to be asked for every request. */
const FRESH_MIN_MS = 1_000
/** More than any tenant has; a tenant that moves often must not grow the map for ever. */
const AVOIDED_MAX = 64
/** Refreshes because of a 421, for one request. */
const REDIRECTIONS_MAX = 1
/** Before the refresh that a 421 asks for: a topology takes about that long to reach every router. */
const REDIRECTION_PAUSE_MS = 100

const REPEATABLE_METHODS = new Set(['GET', 'HEAD', 'OPTIONS', 'PUT', 'DELETE'])
const UNAVAILABLE_STATUSES = new Set([502, 503, 504])

export function createTenantFetch(options: TenantFetchOptions): TenantFetch {
  const now = options.now ?? (() => performance.now())
  const book = createEndpointBook(options, now)
  const avoidUntil = new Map<string, number>()
  const inOrder = (endpoints: readonly CellEndpoint[]): CellEndpoint[] => {
    const isAvoided = ({ url }: CellEndpoint) => (avoidUntil.get(url) ?? 0) > now()
    return [
      ...endpoints.filter((endpoint) => !isAvoided(endpoint)),
      ...endpoints.filter((endpoint) => isAvoided(endpoint)),
    ]
  }

  return async (path, init = {}) => {
    if (!path.startsWith('/')) {
      throw new TypeError(
        `found ${JSON.stringify(path)}; expected a path that starts with "/": the endpoint is chosen here`,
      )
    }
    const token = typeof options.token === 'string' ? options.token : await options.token()
    const mayRepeat = isRepeatable(init) && isReplayable(init.body)
    let redirections = 0
    let queue = inOrder(await book.endpoints(token))
    for (;;) {
      const [endpoint, ...others] = queue
      if (!endpoint) throw new Error('a tenant has at least one endpoint')
      queue = others
      const attempt = await tryEndpoint(endpoint, path, init, token, options)
      if (attempt.outcome === 'unavailable') {
        keepBounded(avoidUntil).set(endpoint.url, now() + AVOID_MS)
        if (mayRepeat && queue.length > 0) {
          await attempt.response?.body?.cancel()
          continue
        }
      } else avoidUntil.delete(endpoint.url)
      if (attempt.outcome === 'misdirected' && redirections < REDIRECTIONS_MAX && isReplayable(init.body)) {
        redirections++
        await attempt.response?.body?.cancel()
        await pause(REDIRECTION_PAUSE_MS, init.signal ?? NEVER)
        queue = inOrder(await book.refresh(token))
        continue
      }
      if (attempt.response === undefined) throw attempt.error
      return attempt.response
    }
  }
}

/** `unavailable` has the answer that said so, or why there was none. */
type Attempt =
  | { outcome: 'answered' | 'misdirected' | 'unavailable'; response: Response }
  | { outcome: 'unavailable'; response: undefined; error: unknown }

const NEVER = new AbortController().signal

async function tryEndpoint(
  { url }: CellEndpoint,
  path: string,
  init: RequestInit,
  token: string,
  options: TenantFetchOptions,
): Promise<Attempt> {
  const headers = new Headers(init.headers)
  if (!headers.has('authorization')) headers.set('authorization', `Bearer ${token}`)
  // The timer covers the head only: a body may stream for as long as it likes.
  const late = new AbortController()
  const timeoutMs = options.attemptTimeoutMs ?? ATTEMPT_TIMEOUT_MS
  const timer = setTimeout(
    () => late.abort(new DOMException(`no answer within ${timeoutMs} ms`, 'TimeoutError')),
    timeoutMs,
  )
  try {
    const response = await (options.fetch ?? fetch)(`${url.replace(/\/+$/, '')}${path}`, {
      ...init,
      headers,
      signal: init.signal ? AbortSignal.any([init.signal, late.signal]) : late.signal,
    })
    if (response.status === PROBLEM_CODES.MISDIRECTED[0]) return { outcome: 'misdirected', response }
    if (UNAVAILABLE_STATUSES.has(response.status) && !(await isAboutOneCell(response))) {
      return { outcome: 'unavailable', response }
    }
    return { outcome: 'answered', response }
  } catch (error) {
    if (init.signal?.aborted) throw error
    return { outcome: 'unavailable', response: undefined, error }
  } finally {
    clearTimeout(timer)
  }
}

/** The named 503: the record is in that cell and nowhere else. */
async function isAboutOneCell(response: Response): Promise<boolean> {
  if (!response.headers.get('content-type')?.includes('problem+json')) return false
  const body: unknown = await response
    .clone()
    .json()
    .catch(() => undefined)
  return (body as { code?: unknown } | undefined)?.code === 'CELL_UNAVAILABLE'
}

function isRepeatable(init: RequestInit): boolean {
  const method = (init.method ?? 'GET').toUpperCase()
  return REPEATABLE_METHODS.has(method) || new Headers(init.headers).has(HEADERS.idempotencyKey)
}

/** A stream can be sent once. */
function isReplayable(body: RequestInit['body']): boolean {
  return !(body instanceof ReadableStream)
}

/** What is forgotten costs one wait for a dead endpoint. */
function keepBounded(map: Map<string, number>): Map<string, number> {
  if (map.size >= AVOIDED_MAX) map.clear()
  return map
}

/** What is known of the tenant's endpoints, and when to ask again. One question is under way at a time, whoever waits for it. */
function createEndpointBook(options: TenantFetchOptions, now: () => number) {
  let known: { endpoints: CellEndpoint[]; freshUntil: number } | undefined
  let asking: Promise<CellEndpoint[]> | undefined

  const ask = async (token: string): Promise<CellEndpoint[]> => {
    try {
      const answer = await tenantEndpoints({
        routerUrl: options.routerUrl,
        token,
        ...(options.fetch ? { fetch: options.fetch } : {}),
      })
      known = {
        endpoints: answer.endpoints,
        freshUntil: now() + Math.max(answer.ttl_seconds * 1000, FRESH_MIN_MS),
      }
      return answer.endpoints
    } catch (error) {
      if (!known) throw error
      known = { ...known, freshUntil: now() + REFRESH_RETRY_MS }
      return known.endpoints
    }
  }
  const refresh = (token: string): Promise<CellEndpoint[]> => {
    asking ??= ask(token).finally(() => {
      asking = undefined
    })
    return asking
  }
  return {
    /** From a router whatever the token says: a cell has just disowned the tenant. */
    refresh,
    async endpoints(token: string): Promise<CellEndpoint[]> {
      if (known && known.freshUntil > now()) return known.endpoints
      return (known ? undefined : endpointsFromToken(token)) ?? (await refresh(token))
    },
  }
}
