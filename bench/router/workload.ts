/**
 * What every contestant is asked to carry: the constants of the bench, and the bytes of its requests and answers.
 *
 * Lengths are exact and the same for every tenant, because a proxy's cost depends on them: a request is 370 bytes and
 * an answer 200 bytes, heads included, as the client sends the one and the upstream the other. An answer ends with the
 * number of the cell that gave it, so that one byte proves where a request went.
 */

export const CELL_COUNT = 8
/** More than any per-connection cache holds, fewer than the router's limits on tracked tenants and cached tokens. */
export const TENANT_COUNT = 8_192
export const REQUEST_BYTES = 370
export const ANSWER_BYTES = 200
/** The body is fixed, so that the end of an answer's head is found from its end, without a search. */
export const ANSWER_BODY_BYTES = 100
export const CONNECTIONS = 48
export const TENANT_HEADER = 'x-tenant'
/** An upstream answers a path of this prefix with as many bytes as follow it. */
export const DOWNLOAD_PREFIX = '/bytes/'

export const tenantName = (tenant: number): string => `tenant-${String(tenant).padStart(5, '0')}`

/** A GET of exactly `bytes` bytes, with the headers of an ordinary API client and a cookie that fills it up. */
export function requestText(keyHeader: string, bytes = REQUEST_BYTES, connection = ''): string {
  const head = [
    'GET /v1/orders?page=2&limit=50 HTTP/1.1',
    'host: api.bench.example',
    keyHeader,
    'user-agent: bench/1.0 (linux; x64)',
    'accept: application/json',
    'accept-encoding: gzip, br',
    'accept-language: en-GB,en;q=0.8',
    ...(connection === '' ? [] : [`connection: ${connection}`]),
    'cookie: session=',
  ].join('\r\n')
  const missing = bytes - head.length - 4
  if (missing < 0) {
    throw new Error(`a request of ${bytes} bytes has no room for its ${head.length + 4} bytes of headers`)
  }
  return `${head}${'s'.repeat(missing)}\r\n\r\n`
}

export const tenantHeader = (tenant: number): string => `${TENANT_HEADER}: ${tenantName(tenant)}`

/** An answer of exactly 200 bytes whose last one is the cell's number. */
export function answerText(cell: number): string {
  const head = `HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\ncontent-length: ${ANSWER_BODY_BYTES}\r\nx-note: `
  const missing = ANSWER_BYTES - ANSWER_BODY_BYTES - head.length - 4
  return `${head}${'n'.repeat(missing)}\r\n\r\n${'b'.repeat(ANSWER_BODY_BYTES - 1)}${cell}`
}
