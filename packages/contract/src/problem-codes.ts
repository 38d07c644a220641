/**
 * The codes of problem details, and the body built from one. Apart from the schema, so that a cell answers a problem
 * without carrying a schema library: valibot and our schemas take 9 MB of every process that loads them.
 *
 * One table holds every code with its status and title, so that the OpenAPI document, the docs and the tests
 * agree. `detail` is written for the caller; nothing internal (a host, a path, a stack) belongs in it.
 */
import type { ProblemDetails } from './problem-details.ts'

export const PROBLEM_CONTENT_TYPE = 'application/problem+json'

/** code → [HTTP status, title]. A code never changes its meaning; adding one is a compatible change. */
export const PROBLEM_CODES = {
  // Who is asking
  TOKEN_MISSING: [401, 'A token is required'],
  TOKEN_INVALID: [401, 'The token was not accepted'],
  TOKEN_EXPIRED: [401, 'The token has expired'],
  FORBIDDEN: [403, 'Not allowed'],
  KEYS_UNAVAILABLE: [503, 'Tokens cannot be verified at the moment'],
  // What was asked
  INVALID_REQUEST: [400, 'The request is not valid'],
  PARTITION_KEY_INVALID: [400, 'The partition key is not valid'],
  NOT_FOUND: [404, 'Not found'],
  METHOD_NOT_ALLOWED: [405, 'Method not allowed'],
  CONFLICT: [409, 'The state does not allow this'],
  REQUEST_TIMEOUT: [408, 'The request did not come in time'],
  TARGET_TOO_LONG: [414, 'The request target is too long'],
  EXPECTATION_FAILED: [417, 'The expectation cannot be met'],
  HEADERS_TOO_LARGE: [431, 'The headers are too large'],
  HTTP_VERSION_NOT_SUPPORTED: [505, 'This HTTP version is not spoken'],
  BODY_TOO_LARGE: [413, 'The body is too large'],
  // Where it went
  CONNECTION_MISDIRECTED: [421, 'This connection was opened for another host'],
  MISDIRECTED: [421, 'This cell is not the tenant’s home at that generation'],
  TOO_MANY_REQUESTS: [429, 'Too many requests'],
  // What the data plane could not do
  CELL_UNAVAILABLE: [503, 'The cell that holds this is not available'],
  SHARD_UNAVAILABLE: [503, 'No cell of the shard could answer'],
  NO_TOPOLOGY: [503, 'No topology has been accepted yet'],
  OVERLOADED: [503, 'Overloaded'],
  ROUTER_EXHAUSTED: [503, 'The router cannot open a connection at the moment'],
  TENANT_HELD: [503, 'The tenant’s home is being switched'],
  TENANT_SUSPENDED: [503, 'Requests of this tenant crashed cells'],
  UPSTREAM_TIMEOUT: [504, 'The cell did not answer in time'],
  UPSTREAM_INVALID: [502, 'The cell’s answer was not valid'],
  // What a change may not do
  CELL_HOLDS_WORK: [409, 'The cell still holds undelivered work'],
  CELL_HOLDS_DATA: [409, 'The cell still holds data within its retention'],
  CELL_HOLDINGS_UNKNOWN: [409, 'What the cell holds is not known'],
  STORES_SHARED: [409, 'Two cells may not share a store'],
  PLAN_REFUSED: [409, 'The plan was refused'],
  BUDGET_EXCEEDED: [409, 'The change exceeds the blast-radius budget'],
  NOT_LEADER: [503, 'Another replica holds the lease'],
  STORE_UNAVAILABLE: [503, 'The store does not answer'],
  METRICS_UNAVAILABLE: [503, 'Whoever keeps the metrics does not answer'],
  STORE_ROW_INVALID: [500, 'A row of the store cannot be read'],
  INTERNAL: [500, 'Internal error'],
} as const satisfies Record<string, readonly [number, string]>

export type ProblemCode = keyof typeof PROBLEM_CODES

/** Builds the body of an error answer. `type` is a stable URN, so that it needs no web site to resolve. */
export function problemDetails(
  code: ProblemCode,
  detail: string,
  more: Pick<ProblemDetails, 'request_id' | 'cell' | 'problems'> = {},
): ProblemDetails {
  const [status, title] = PROBLEM_CODES[code]
  return {
    type: `urn:cellplane:problem:${code.toLowerCase().replaceAll('_', '-')}`,
    title,
    status,
    detail,
    code,
    ...more,
  }
}
