/**
 * The head of a cell's answer as positions. A cell is trusted with its tenants' data but not with the framing of a
 * connection that others use next: an answer about whose length two readers could differ is refused.
 */
import { HEADERS } from '@cellplane/contract'
import { CLASSES, CR, DIGIT, LF, SPACE, VALUE } from './character-classes.ts'
import { HeadScan, INCOMPLETE, REFUSED, scanHeaderLines } from './head-scan.ts'
import { CUT, compileHeaderNames, type HeaderName, KEEP } from './header-names.ts'
import { CHUNKED, isChunked, lengthIn } from './request-scan.ts'

export const RESPONSE = {
  contentLength: 0,
  transferEncoding: 1,
  connection: 2,
  upgrade: 3,
  contentType: 4,
} as const

const RESPONSE_NAMES: readonly HeaderName[] = [
  { name: 'content-length', fate: KEEP, isSingle: true },
  // The router frames anew: a client of HTTP/1.0 gets no chunks.
  { name: 'transfer-encoding', fate: CUT, isSingle: true },
  { name: 'connection', fate: CUT, isSingle: true },
  { name: 'upgrade', fate: CUT, isSingle: true },
  { name: 'content-type', fate: KEEP, isSingle: false },
  { name: 'keep-alive', fate: CUT, isSingle: false },
  { name: 'proxy-connection', fate: CUT, isSingle: false },
  { name: 'proxy-authenticate', fate: CUT, isSingle: false },
  { name: HEADERS.requestId, fate: CUT, isSingle: false },
]

/** The body ends with the connection. */
export const UNTIL_CLOSE = -2

export class ResponseScan extends HeadScan {
  /** Where the status line starts. */
  start = 0
  status = 0
  /** 0 or 1: HTTP/1.0 or HTTP/1.1. */
  minor = 1
  /** Bytes of the body, CHUNKED or UNTIL_CLOSE; for an answer that has a body at all. */
  bodyLength = 0

  constructor() {
    super(compileHeaderNames(RESPONSE_NAMES))
  }
}

/**
 * Scans an answer's head from `start`.
 *
 * @returns the offset after the head, INCOMPLETE or REFUSED
 */
export function scanResponse(scan: ResponseScan, bytes: Uint8Array, start: number, limit: number): number {
  scan.start = start
  const linesStart = scanStatusLine(scan, bytes, start, limit)
  if (linesStart < 0) return linesStart
  const end = scanHeaderLines(scan, bytes, linesStart, limit)
  if (end < 0) return end
  return checkFraming(scan, bytes) ? end : REFUSED
}

const VERSION = Uint8Array.from('HTTP/1.', (character) => character.charCodeAt(0))

/** `HTTP/1.1 200 Reason`; the reason may be empty, and its space then missing, as some servers have it. */
function scanStatusLine(scan: ResponseScan, bytes: Uint8Array, start: number, limit: number): number {
  let at = start
  for (const expected of VERSION) {
    if (at >= limit) return INCOMPLETE
    if (bytes[at++] !== expected) return scan.refuse('the answer does not start with HTTP/1.')
  }
  if (at + 5 > limit) return INCOMPLETE
  const minor = bytes[at]!
  if ((minor !== 0x30 && minor !== 0x31) || bytes[at + 1] !== SPACE)
    return scan.refuse('an unknown HTTP version')
  scan.minor = minor - 0x30
  scan.status = 0
  for (at += 2; at < start + 12; at++) {
    if ((CLASSES[bytes[at]!]! & DIGIT) === 0) return scan.refuse('the status is not three digits')
    scan.status = scan.status * 10 + (bytes[at]! - 0x30)
  }
  if (scan.status < 100 || scan.status > 599) return scan.refuse(`the status ${scan.status} does not exist`)
  if (at < limit && bytes[at] !== SPACE && bytes[at] !== CR)
    return scan.refuse('the status is not three digits')
  while (at < limit && (CLASSES[bytes[at]!]! & VALUE) !== 0) at++
  if (at + 1 >= limit) return INCOMPLETE
  return bytes[at] === CR && bytes[at + 1] === LF
    ? at + 2
    : scan.refuse('the status line does not end with CR LF')
}

function checkFraming(scan: ResponseScan, bytes: Uint8Array): boolean {
  if (!checkLength(scan, bytes)) return false
  // RFC 9112, section 6.1; RFC 9110, section 8.6. The next reader might wait for that body, or take it out of the next
  // answer. A length of 0 says nothing wrong, and some servers send it.
  const isBodiless = scan.status < 200 || scan.status === 204
  if (!isBodiless || (scan.bodyLength <= 0 && !scan.has(RESPONSE.transferEncoding))) return true
  scan.refuse(`the status ${scan.status} with a body`)
  return false
}

function checkLength(scan: ResponseScan, bytes: Uint8Array): boolean {
  const hasLength = scan.has(RESPONSE.contentLength)
  scan.bodyLength = UNTIL_CLOSE
  if (scan.has(RESPONSE.transferEncoding)) {
    const isPlain = !hasLength && scan.minor === 1 && isChunked(scan, bytes, RESPONSE.transferEncoding)
    scan.bodyLength = CHUNKED
    if (!isPlain) scan.refuse('a transfer-encoding other than "chunked", or next to a content-length')
    return isPlain
  }
  if (!hasLength) return true
  scan.bodyLength = lengthIn(scan, bytes, RESPONSE.contentLength)
  if (scan.bodyLength < 0) scan.refuse('content-length is not one decimal number')
  return scan.bodyLength >= 0
}
