/** What the router answers itself instead of a cell: RFC 9457 problem details. */
import {
  HEADERS,
  PROBLEM_CODES,
  PROBLEM_CONTENT_TYPE,
  type ProblemCode,
  problemDetails,
} from '@cellplane/contract'
import { encodeText } from '../http/request-head.ts'
import { STATUS_CODES } from '../node-http.ts'

export type Refusal = {
  code: ProblemCode
  /** Written for the caller. */
  detail: string
  /** Id of the cell that could not serve. */
  cell?: string
}

/**
 * For every 503 and 429. A cell that crashed is back in a few seconds; a caller that returns earlier only adds to what it
 * finds.
 */
export const RETRY_AFTER_SECONDS = 2

/** A refusal as Latin-1 text: the head without its last line, to which the connection's own words are added, and the body. */
export function formatRefusal(
  { code, detail, cell }: Refusal,
  requestId: string,
): { status: number; head: string; body: string } {
  const [status] = PROBLEM_CODES[code]
  const body = encodeText(
    JSON.stringify(problemDetails(code, detail, { request_id: requestId, ...(cell ? { cell } : {}) })),
  )
  let head =
    `${statusLine(status)}content-type: ${PROBLEM_CONTENT_TYPE}\r\ncontent-length: ${body.length}\r\n` +
    `cache-control: no-store\r\n${HEADERS.requestId}: ${requestId}\r\n`
  if (cell) head += `${HEADERS.cell}: ${cell}\r\n`
  if (status === 503 || status === 429) head += `retry-after: ${RETRY_AFTER_SECONDS}\r\n`
  if (status === 401) head += `www-authenticate: ${challengeOf(code)}\r\n`
  if (status === 405) head += 'allow: GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS\r\n'
  return { status, head, body }
}

export function statusLine(status: number): string {
  return `HTTP/1.1 ${status} ${STATUS_CODES[status] ?? ''}\r\n`
}

/** RFC 6750, section 3: a request without a token is told the scheme and nothing else. */
function challengeOf(code: ProblemCode): string {
  if (code === 'TOKEN_MISSING') return 'Bearer'
  const description = code === 'TOKEN_EXPIRED' ? 'the token has expired' : 'the token was not accepted'
  return `Bearer error="invalid_token", error_description="${description}"`
}
