/**
 * The head of a request, read once: what routing looks at, in one shape, or why the request cannot be routed.
 *
 * Whatever decides about a request must be there once. Of two `authorization` headers the router would verify one and
 * the cell might believe the other; such a request is refused, not interpreted.
 */
import { randomBytes, randomUUID } from 'node:crypto'
import type { IncomingMessage } from 'node:http'
import { HEADERS, type KeyRule } from '@cellplane/contract'
import type { RequestView } from '@cellplane/core'
import type { Refusal } from './refusal.ts'

export type RequestHead = RequestView & {
  readonly method: string
  /** Path and query, as they go to the cell. `path` is without the query. */
  readonly target: string
  readonly requestId: string
  readonly wantedCell: string | undefined
  readonly hasIdempotencyKey: boolean
  readonly hasBody: boolean
  /** The address that the connection came from; IPv4 in its plain form. */
  readonly source: string
  /** As they came: name, value, name, value … */
  readonly rawHeaders: readonly string[]
}

const DECIDING_HEADERS = ['host', 'authorization', HEADERS.idempotencyKey, HEADERS.wantedCell] as const

/** What a log or a header can hold without harm. Anything else of a client's is replaced, not cleaned. */
const SANE_REQUEST_ID = /^[A-Za-z0-9._:+/=-]{1,128}$/

export function requestIdOf(request: IncomingMessage): string {
  const given = request.headers[HEADERS.requestId]
  return typeof given === 'string' && SANE_REQUEST_ID.test(given) ? given : randomUUID()
}

/** Version 00 of W3C trace context. All-zero ids are invalid. */
const TRACEPARENT = /^00-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}$/

/** The client's trace when it is well formed, or a new one. */
export function traceparentOf(given: string | undefined): { traceparent: string; isNew: boolean } {
  if (given !== undefined && TRACEPARENT.test(given)) return { traceparent: given, isNew: false }
  const bytes = randomBytes(24).toString('hex')
  return { traceparent: `00-${bytes.slice(0, 32)}-${bytes.slice(32)}-01`, isNew: true }
}

export function readRequestHead(
  request: IncomingMessage,
  requestId: string,
  rules: readonly KeyRule[],
): RequestHead | Refusal {
  const { headers, rawHeaders, method = 'GET' } = request
  const target = originForm(request.url ?? '/')
  if (target === undefined) {
    return { code: 'INVALID_REQUEST', detail: 'the request target is neither a path nor a URL' }
  }
  const keyHeaders = rules.flatMap((rule) => (rule.from === 'header' ? [rule.name] : []))
  const repeated = repeatedHeader(rawHeaders, [...DECIDING_HEADERS, ...keyHeaders])
  if (repeated) {
    return { code: 'INVALID_REQUEST', detail: `the header ${repeated} is given more than once` }
  }
  const query = target.indexOf('?')
  const header = (name: string): string | undefined => {
    const value = headers[name]
    return value === undefined ? undefined : decodeHeader(Array.isArray(value) ? value.join(', ') : value)
  }
  return {
    header,
    host: headers.host ?? '',
    path: query < 0 ? target : target.slice(0, query),
    method,
    target,
    requestId,
    wantedCell: header(HEADERS.wantedCell),
    hasIdempotencyKey: Boolean(headers[HEADERS.idempotencyKey]),
    hasBody: headers['transfer-encoding'] !== undefined || (headers['content-length'] ?? '0') !== '0',
    source: (request.socket.remoteAddress ?? '').replace(/^::ffff:(?=\d+\.)/i, ''),
    rawHeaders,
  }
}

/** RFC 9112, section 3.2: a path, `*`, or a whole URL of which the path counts. Undefined for anything else. */
function originForm(url: string): string | undefined {
  if (url.startsWith('/') || url === '*') return url
  if (!/^https?:\/\//i.test(url) || !URL.canParse(url)) return undefined
  const { pathname, search } = new URL(url)
  return pathname + search
}

function repeatedHeader(rawHeaders: readonly string[], names: readonly string[]): string | undefined {
  return names.find((name) => {
    let count = 0
    for (let i = 0; i < rawHeaders.length; i += 2) if (rawHeaders[i]!.toLowerCase() === name) count++
    return count > 1
  })
}

const utf8 = new TextDecoder('utf-8', { fatal: true })

/** Node reads header bytes as Latin-1; most senders mean UTF-8. What is not UTF-8 is left as it was read. */
function decodeHeader(value: string): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: the range is that of bytes above ASCII
  if (!/[^\x00-\x7f]/.test(value)) return value
  try {
    return utf8.decode(Buffer.from(value, 'latin1'))
  } catch {
    return value
  }
}
