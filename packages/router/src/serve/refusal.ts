/** What the router answers itself instead of a cell: RFC 9457 problem details. */
import {
  HEADERS,
  PROBLEM_CODES,
  PROBLEM_CONTENT_TYPE,
  type ProblemCode,
  problemDetails,
} from '@cellplane/contract'

export type Refusal = {
  code: ProblemCode
  /** Written for the caller. */
  detail: string
  /** Id of the cell that could not serve. */
  cell?: string
}

/**
 * For every 503. A cell that crashed is back in a few seconds; a caller that returns earlier only adds to what it finds.
 */
export const RETRY_AFTER_SECONDS = 2

/** A refusal as status, header lines and body, for whoever writes them: an HTTP response, or the bare socket of an upgrade. */
export function formatRefusal(refusal: Refusal, requestId: string) {
  const { code, detail, cell } = refusal
  const [status] = PROBLEM_CODES[code]
  const body = Buffer.from(
    JSON.stringify(problemDetails(code, detail, { request_id: requestId, ...(cell ? { cell } : {}) })),
  )
  const headers: string[] = [
    ...['content-type', PROBLEM_CONTENT_TYPE],
    ...['content-length', String(body.length)],
    ...['cache-control', 'no-store'],
    ...[HEADERS.requestId, requestId],
  ]
  if (cell) headers.push(HEADERS.cell, cell)
  if (status === 503) headers.push('retry-after', String(RETRY_AFTER_SECONDS))
  if (status === 401) headers.push('www-authenticate', challengeOf(code))
  return { status, headers, body }
}

/** RFC 6750, section 3: a request without a token is told the scheme and nothing else. */
function challengeOf(code: ProblemCode): string {
  if (code === 'TOKEN_MISSING') return 'Bearer'
  const description = code === 'TOKEN_EXPIRED' ? 'the token has expired' : 'the token was not accepted'
  return `Bearer error="invalid_token", error_description="${description}"`
}
