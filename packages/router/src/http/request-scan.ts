/**
 * The head of a request as positions, with everything about it that decides how it is framed and whether it may pass.
 *
 * What RFC 9112 lets a recipient repair (a bare LF, a folded line, a list of equal lengths, white space before a colon)
 * is refused here: a router that forwards the bytes it was sent would hand the ambiguity to the cell, and what two
 * parsers read differently is how requests are smuggled.
 */
import { HEADERS } from '@cellplane/contract'
import { CLASSES, CR, DIGIT, HOST, LF, SPACE, TARGET, TOKEN } from './character-classes.ts'
import { HeadScan, INCOMPLETE, REFUSED, scanHeaderLines } from './head-scan.ts'
import { CUT, compileHeaderNames, type HeaderName, KEEP } from './header-names.ts'

/** Ids of the header names of a request; those of the partition key's headers come after them. */
export const REQUEST = {
  host: 0,
  contentLength: 1,
  transferEncoding: 2,
  connection: 3,
  expect: 4,
  upgrade: 5,
  authorization: 6,
  idempotencyKey: 7,
  wantedCell: 8,
  requestId: 9,
  traceparent: 10,
  tracestate: 11,
  forwardedFor: 12,
  forwardedProto: 13,
  forwardedHost: 14,
  forwarded: 15,
  cookie: 16,
  priority: 17,
} as const

/** In the order of the ids above, then what a connection's own headers are. */
const REQUEST_NAMES: readonly HeaderName[] = [
  { name: 'host', fate: KEEP, isSingle: true },
  { name: 'content-length', fate: KEEP, isSingle: true },
  // Written anew: a cell might not know it in other letters, or with white space around it.
  { name: 'transfer-encoding', fate: CUT, isSingle: true },
  { name: 'connection', fate: CUT, isSingle: true },
  { name: 'expect', fate: CUT, isSingle: true },
  { name: 'upgrade', fate: CUT, isSingle: true },
  { name: 'authorization', fate: KEEP, isSingle: true },
  { name: HEADERS.idempotencyKey, fate: KEEP, isSingle: true },
  { name: HEADERS.wantedCell, fate: CUT, isSingle: true },
  { name: HEADERS.requestId, fate: CUT, isSingle: false },
  { name: HEADERS.traceparent, fate: CUT, isSingle: true },
  { name: 'tracestate', fate: CUT, isSingle: true },
  { name: 'x-forwarded-for', fate: CUT, isSingle: false },
  { name: 'x-forwarded-proto', fate: CUT, isSingle: false },
  { name: 'x-forwarded-host', fate: CUT, isSingle: false },
  { name: 'forwarded', fate: CUT, isSingle: false },
  { name: 'cookie', fate: KEEP, isSingle: false },
  { name: 'priority', fate: KEEP, isSingle: false },
  { name: 'te', fate: CUT, isSingle: false },
  { name: 'keep-alive', fate: CUT, isSingle: false },
  { name: 'proxy-connection', fate: CUT, isSingle: false },
  { name: 'proxy-authenticate', fate: CUT, isSingle: false },
  { name: 'proxy-authorization', fate: CUT, isSingle: false },
  { name: 'http2-settings', fate: CUT, isSingle: false },
]

/** A body of unknown length, in chunks. */
export const CHUNKED = -1

/** RFC 9110 asks for 8,000 bytes at least. */
export const TARGET_BYTES_MAX = 8_192
const METHOD_BYTES_MAX = 32

/** Fifteen digits are below 2^53. */
const LENGTH_DIGITS_MAX = 15

/** Why a head is refused, as the caller is told. */
export type HeadProblem =
  | 'INVALID_REQUEST'
  | 'HEADERS_TOO_LARGE'
  | 'TARGET_TOO_LONG'
  | 'METHOD_NOT_ALLOWED'
  | 'EXPECTATION_FAILED'
  | 'HTTP_VERSION_NOT_SUPPORTED'

/** Where a trusted proxy says who its client is: of two that differ, one might be its client's own. */
export const FORWARDING_HEADERS = ['x-forwarded-for', 'x-forwarded-proto', 'x-forwarded-host', 'forwarded']

export class RequestScan extends HeadScan {
  methodStart = 0
  methodEnd = 0
  targetStart = 0
  targetEnd = 0
  /** 0 or 1: HTTP/1.0 or HTTP/1.1. */
  minor = 1
  /** Bytes of the body, or CHUNKED. */
  bodyLength = 0
  code: HeadProblem = 'INVALID_REQUEST'

  /** `singles` are lower-case names of headers by which this router decides, so that each may be there once. */
  constructor(singles: readonly string[] = []) {
    const known = new Set(REQUEST_NAMES.map(({ name }) => name))
    const more = [...new Set(singles)].filter((name) => !known.has(name))
    super(
      compileHeaderNames([
        ...REQUEST_NAMES.map((entry) => ({
          ...entry,
          isSingle: entry.isSingle || singles.includes(entry.name),
        })),
        ...more.map((name): HeaderName => ({ name, fate: KEEP, isSingle: true })),
      ]),
    )
  }

  override refuseLines(problem: string): typeof REFUSED {
    return this.refuseWith('HEADERS_TOO_LARGE', problem)
  }

  refuseWith(code: HeadProblem, problem: string): typeof REFUSED {
    this.code = code
    return this.refuse(problem)
  }
}

/**
 * Scans a request's head from `start`. `limit` is where the bytes end.
 *
 * @returns the offset after the head, INCOMPLETE or REFUSED; then `scan.code` and `scan.problem` say why
 */
export function scanRequest(scan: RequestScan, bytes: Uint8Array, start: number, limit: number): number {
  scan.code = 'INVALID_REQUEST'
  const linesStart = scanRequestLine(scan, bytes, start, limit)
  if (linesStart < 0) return linesStart
  const end = scanHeaderLines(scan, bytes, linesStart, limit)
  if (end < 0) return end
  return checkTarget(scan, bytes) && checkHost(scan, bytes) && checkFraming(scan, bytes) ? end : REFUSED
}

function scanRequestLine(scan: RequestScan, bytes: Uint8Array, start: number, limit: number): number {
  let at = start
  while (at < limit && (CLASSES[bytes[at]!]! & TOKEN) !== 0) at++
  if (at - start > METHOD_BYTES_MAX) return scan.refuse(`a method of more than ${METHOD_BYTES_MAX} bytes`)
  if (at >= limit) return INCOMPLETE
  if (at === start || bytes[at] !== SPACE)
    return scan.refuse('the request line does not start with a method and a space')
  scan.methodStart = start
  scan.methodEnd = at++

  scan.targetStart = at
  while (at < limit && (CLASSES[bytes[at]!]! & TARGET) !== 0) at++
  if (at - scan.targetStart > TARGET_BYTES_MAX) {
    return scan.refuseWith('TARGET_TOO_LONG', `a request target of more than ${TARGET_BYTES_MAX} bytes`)
  }
  if (at >= limit) return INCOMPLETE
  if (at === scan.targetStart || bytes[at] !== SPACE) {
    return scan.refuse('the request target is missing or has an invalid character, or no version follows it')
  }
  scan.targetEnd = at++
  return scanVersion(scan, bytes, at, limit)
}

const VERSION = Uint8Array.from('HTTP/', (character) => character.charCodeAt(0))

/** `HTTP/1.0` or `HTTP/1.1`, and the end of the line. */
function scanVersion(scan: RequestScan, bytes: Uint8Array, start: number, limit: number): number {
  let at = start
  for (const expected of VERSION) {
    if (at >= limit) return INCOMPLETE
    if (bytes[at++] !== expected) return scan.refuse('the request line does not end with an HTTP version')
  }
  if (at + 5 > limit) return INCOMPLETE
  const major = bytes[at]!
  const minor = bytes[at + 2]!
  if ((CLASSES[major]! & DIGIT) === 0 || bytes[at + 1] !== 0x2e || (CLASSES[minor]! & DIGIT) === 0) {
    return scan.refuse('a malformed HTTP version')
  }
  if (bytes[at + 3] !== CR || bytes[at + 4] !== LF)
    return scan.refuse('the request line does not end with CR LF')
  if (major !== 0x31 || minor > 0x31) {
    return scan.refuseWith(
      'HTTP_VERSION_NOT_SUPPORTED',
      'only HTTP/1.0 and HTTP/1.1 are spoken on this connection',
    )
  }
  scan.minor = minor - 0x30
  return at + 5
}

const SLASH = 0x2f
const ASTERISK = 0x2a

/** A path, `*` of OPTIONS, or the start of an absolute URL, which `readRequest` takes apart. */
function checkTarget(scan: RequestScan, bytes: Uint8Array): boolean {
  const { methodStart, methodEnd, targetStart, targetEnd } = scan
  const length = methodEnd - methodStart
  if (length === 7 && isWord(bytes, methodStart, 'CONNECT')) return refuseMethod(scan, 'CONNECT')
  if (length === 5 && isWord(bytes, methodStart, 'TRACE')) return refuseMethod(scan, 'TRACE')
  const first = bytes[targetStart]
  if (first === SLASH || isHttpUrl(bytes, targetStart)) return true
  if (first === ASTERISK && targetEnd === targetStart + 1 && isWord(bytes, methodStart, 'OPTIONS '))
    return true
  scan.refuse('the request target is neither a path nor an http URL')
  return false
}

function refuseMethod(scan: RequestScan, method: string): boolean {
  scan.refuseWith('METHOD_NOT_ALLOWED', `${method} is not served`)
  return false
}

function isHttpUrl(bytes: Uint8Array, start: number): boolean {
  return isWord(bytes, start, 'http://') || isWord(bytes, start, 'https://')
}

function isWord(bytes: Uint8Array, start: number, word: string): boolean {
  for (let i = 0; i < word.length; i++) if (bytes[start + i] !== word.charCodeAt(i)) return false
  return true
}

/** RFC 9112, section 3.2: HTTP/1.1 requires a Host, and an invalid one is refused in any version. */
function checkHost(scan: RequestScan, bytes: Uint8Array): boolean {
  const start = scan.valueStarts[REQUEST.host]!
  if (start < 0) {
    if (scan.minor === 0) return true
    scan.refuse('the header host is missing')
    return false
  }
  // An empty one is for targets that have no authority at all (RFC 9110, section 7.2); an http one always has.
  if (start === scan.valueEnds[REQUEST.host]) {
    scan.refuse('the header host is empty')
    return false
  }
  for (let at = start; at < scan.valueEnds[REQUEST.host]!; at++) {
    if ((CLASSES[bytes[at]!]! & HOST) === 0) {
      scan.refuse('the header host is not a name or an address with an optional port')
      return false
    }
  }
  return true
}

/** RFC 9112, section 6: exactly one way to know where the body ends, stated in the plainest form. */
function checkFraming(scan: RequestScan, bytes: Uint8Array): boolean {
  const hasLength = scan.has(REQUEST.contentLength)
  scan.bodyLength = 0
  if (scan.has(REQUEST.transferEncoding)) {
    if (hasLength) return refuseFraming(scan, 'both content-length and transfer-encoding are given')
    if (scan.minor === 0) return refuseFraming(scan, 'HTTP/1.0 has no transfer-encoding')
    if (!isChunked(scan, bytes, REQUEST.transferEncoding)) {
      return refuseFraming(scan, 'a transfer-encoding other than "chunked"')
    }
    scan.bodyLength = CHUNKED
  } else if (hasLength) {
    const length = lengthIn(scan, bytes, REQUEST.contentLength)
    if (length < 0) return refuseFraming(scan, 'content-length is not one decimal number')
    scan.bodyLength = length
  }
  return true
}

function refuseFraming(scan: RequestScan, problem: string): boolean {
  scan.refuse(problem)
  return false
}

const CHUNKED_WORD = Uint8Array.from('chunked', (character) => character.charCodeAt(0))

/** `chunked`, in any case, and nothing after it: of a tab there, parsers make different things. */
export function isChunked(scan: HeadScan, bytes: Uint8Array, id: number): boolean {
  const start = scan.valueStarts[id]!
  const end = scan.valueEnds[id]!
  if (end - start !== CHUNKED_WORD.length || bytes[end] !== CR) return false
  return CHUNKED_WORD.every((expected, i) => (bytes[start + i]! | 0x20) === expected)
}

/** A decimal number without sign, list or white space after it; -1 for anything else. */
export function lengthIn(scan: HeadScan, bytes: Uint8Array, id: number): number {
  const start = scan.valueStarts[id]!
  const end = scan.valueEnds[id]!
  if (end === start || end - start > LENGTH_DIGITS_MAX || bytes[end] !== CR) return -1
  let length = 0
  for (let at = start; at < end; at++) {
    if ((CLASSES[bytes[at]!]! & DIGIT) === 0) return -1
    length = length * 10 + (bytes[at]! - 0x30)
  }
  return length
}
