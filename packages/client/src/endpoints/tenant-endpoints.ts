/**
 * Where a tenant's own cells are: what a customer or a browser is given instead of the topology. It comes with the token,
 * as a claim, or from a router, which answers for the token's tenant and no other.
 */
import { ENDPOINTS_PATH, HEADERS, problemDetailsSchema, type TenantEndpoints } from '@cellplane/contract/http'
import { atLeast, count, httpUrl, list, object, text } from '@cellplane/contract/schema'
import * as v from 'valibot'
import { readText } from '../bounded-body.ts'
import { reasonOf } from '../fetch-failure.ts'

export type CellEndpoint = TenantEndpoints['endpoints'][number]

/** The claim of a token that carries its tenant's endpoints, home first: `[{ "cell": "cell-001", "url": "https://…" }]`. */
export const ENDPOINTS_CLAIM = 'cell_endpoints'

/** `code` is the router's problem code, or UNREACHABLE or ANSWER_INVALID. */
export class EndpointsError extends Error {
  override name = 'EndpointsError'
  readonly code: string
  constructor(code: string, message: string, cause?: unknown) {
    super(message, cause === undefined ? {} : { cause })
    this.code = code
  }
}

export type TenantEndpointsOptions = {
  routerUrl: string
  /** The tenant's token. */
  token: string
  fetch?: typeof fetch
  timeoutMs?: number
  signal?: AbortSignal | undefined
}

const TIMEOUT_MS = 5_000
/** Eight cells of a shard with 2,000 characters of URL each; more is no answer of a router. */
const ANSWER_BYTES_MAX = 64 * 1024
const ENDPOINTS_MAX = 16

const endpointSchema = object({
  cell: text(1, 63),
  url: v.pipe(httpUrl, v.maxLength(2048)),
})
const endpointsSchema = list(endpointSchema, 1, ENDPOINTS_MAX)
const tenantEndpointsSchema: v.GenericSchema<unknown, TenantEndpoints> = object({
  tenant: v.string(),
  generation: count,
  endpoints: endpointsSchema,
  ttl_seconds: atLeast(0),
})

/** Asks a router. Rejects with EndpointsError. */
export async function tenantEndpoints(options: TenantEndpointsOptions): Promise<TenantEndpoints> {
  const late = AbortSignal.timeout(options.timeoutMs ?? TIMEOUT_MS)
  let response: Response
  let text: string
  try {
    response = await (options.fetch ?? fetch)(`${options.routerUrl.replace(/\/+$/, '')}${ENDPOINTS_PATH}`, {
      headers: { authorization: `Bearer ${options.token}`, accept: 'application/json' },
      redirect: 'error',
      signal: options.signal ? AbortSignal.any([options.signal, late]) : late,
    })
    text = await readText(response, ANSWER_BYTES_MAX)
  } catch (cause) {
    throw new EndpointsError('UNREACHABLE', `the router gave no endpoints (${reasonOf(cause)})`, cause)
  }
  const body = parseJson(text)
  if (!response.ok) throw refusal(response, body)
  const answer = v.safeParse(tenantEndpointsSchema, body)
  if (answer.success) return answer.output
  throw new EndpointsError(
    'ANSWER_INVALID',
    `the router's answer names no endpoints; is ${options.routerUrl} a router of the fleet?`,
  )
}

/**
 * The endpoints that a token carries, home first; undefined when it carries none that can be used. The signature is not
 * looked at: whoever holds the token may only send itself astray, and the cell verifies the token before it answers.
 */
export function endpointsFromToken(token: string): CellEndpoint[] | undefined {
  const claims = parseJson(decodeBase64Url(token.split('.')[1] ?? ''))
  const claim = (claims as Record<string, unknown> | null | undefined)?.[ENDPOINTS_CLAIM]
  const endpoints = v.safeParse(endpointsSchema, claim)
  return endpoints.success ? endpoints.output : undefined
}

function refusal(response: Response, body: unknown): EndpointsError {
  const details = v.safeParse(problemDetailsSchema, body)
  const requestId = response.headers.get(HEADERS.requestId)
  const suffix = requestId ? ` (request ${requestId})` : ''
  return details.success
    ? new EndpointsError(
        details.output.code,
        `the router refused to name endpoints: ${details.output.detail}${suffix}`,
      )
    : new EndpointsError(
        'ANSWER_INVALID',
        `the router answered ${response.status} without problem details${suffix}`,
      )
}

function decodeBase64Url(text: string): string {
  try {
    const binary = atob(text.replaceAll('-', '+').replaceAll('_', '/'))
    return new TextDecoder().decode(Uint8Array.from(binary, (character) => character.charCodeAt(0)))
  } catch {
    return ''
  }
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}
