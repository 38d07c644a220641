/**
 * The head of a request as the router uses it: taken from a scan at once, because the scan's positions are those of a
 * buffer that the next read overwrites.
 *
 * All text is Latin-1, byte for byte what came, so that it can be written again as it was.
 */
import type { RequestView } from '@cellplane/core/data-plane'
import { CLASSES, HOST } from './character-classes.ts'
import { headerValue, keptLines } from './head-scan.ts'
import { KEEP } from './header-names.ts'
import { type HeadProblem, REQUEST, type RequestScan } from './request-scan.ts'

export type RequestHead = {
  readonly method: string
  /** Path and query as they go to the cell. */
  readonly target: string
  /** The target without its query. */
  readonly path: string
  /** 0 or 1: HTTP/1.0 or HTTP/1.1. */
  readonly minor: number
  /** Empty when an HTTP/1.0 client sent none. */
  readonly host: string
  /** Bytes of the body, or CHUNKED. */
  readonly bodyLength: number
  /** Whether the client wants to use its connection again. */
  readonly isKeptAlive: boolean
  readonly expectsContinue: boolean
  /** It asks to change to WebSocket. Other upgrades are ignored, as RFC 9110 allows. */
  readonly isWebSocket: boolean
  /** Whether it says how its body is framed, even when there is none. */
  readonly hasFraming: boolean
  readonly hasIdempotencyKey: boolean
  readonly wantedCell: string | undefined
  /** Its client says that it can wait: urgency 7 (RFC 9218, section 4.1). */
  readonly isBackground: boolean
  readonly requestId: string | undefined
  readonly traceparent: string | undefined
  readonly tracestate: string | undefined
  readonly forwardedFor: string | undefined
  readonly forwardedProto: string | undefined
  readonly forwardedHost: string | undefined
  readonly forwarded: string | undefined
  /** The header lines that go on to the cell, each with its CR LF. */
  readonly lines: string
}

export type HeadRefusal = { code: HeadProblem; detail: string }

/** `text` is the Latin-1 text of the scanned bytes. */
export function readRequestHead(scan: RequestScan, text: string): RequestHead | HeadRefusal {
  const method = text.slice(scan.methodStart, scan.methodEnd)
  let target = text.slice(scan.targetStart, scan.targetEnd)
  let host = headerValue(scan, text, REQUEST.host) ?? ''
  let lines = keptLines(scan, text, scan.linesStart)
  if (target.charCodeAt(0) !== SLASH && target !== '*') {
    const url = splitUrl(target)
    if (!url) return { code: 'INVALID_REQUEST', detail: 'the request target is not a valid http URL' }
    // RFC 9112, section 3.2.2: the URL's host replaces the header's.
    host = url.host
    target = url.target
    lines = `host: ${host}\r\n${withoutLines(lines, new Set(['host']))}`
  }
  const expect = headerValue(scan, text, REQUEST.expect)
  if (expect !== undefined && (scan.minor === 0 || expect.toLowerCase() !== '100-continue')) {
    return { code: 'EXPECTATION_FAILED', detail: 'only "expect: 100-continue" is understood, of HTTP/1.1' }
  }
  const connection = headerValue(scan, text, REQUEST.connection)
  const options = connection === undefined ? NO_OPTIONS : readConnection(connection)
  if (options.named.length > 0) lines = withoutLines(lines, removable(options.named, scan))
  const query = target.indexOf('?')
  return {
    method,
    target,
    path: query < 0 ? target : target.slice(0, query),
    minor: scan.minor,
    host,
    bodyLength: scan.bodyLength,
    isKeptAlive: scan.minor === 1 ? !options.isClose : options.isKeepAlive && !options.isClose,
    expectsContinue: expect !== undefined,
    isWebSocket: options.isUpgrade && isWebSocket(scan, text),
    hasFraming: scan.has(REQUEST.contentLength) || scan.has(REQUEST.transferEncoding),
    hasIdempotencyKey: Boolean(headerValue(scan, text, REQUEST.idempotencyKey)),
    wantedCell: headerValue(scan, text, REQUEST.wantedCell),
    isBackground: isBackground(headerValue(scan, text, REQUEST.priority)),
    requestId: headerValue(scan, text, REQUEST.requestId),
    traceparent: headerValue(scan, text, REQUEST.traceparent),
    tracestate: headerValue(scan, text, REQUEST.tracestate),
    forwardedFor: headerValue(scan, text, REQUEST.forwardedFor),
    forwardedProto: headerValue(scan, text, REQUEST.forwardedProto),
    forwardedHost: headerValue(scan, text, REQUEST.forwardedHost),
    forwarded: headerValue(scan, text, REQUEST.forwarded),
    lines,
  }
}

const SLASH = 0x2f

/** What the search for a partition key sees. To be used before the next scan. */
export function requestView(
  scan: RequestScan,
  text: string,
  head: RequestHead,
  serverName?: string | undefined,
): RequestView {
  return {
    header(name) {
      const id = scan.names.idOf(name)
      const value = id < 0 ? undefined : headerValue(scan, text, id)
      return value === undefined ? undefined : decodeText(value)
    },
    host: head.host,
    path: head.target,
    serverName,
  }
}

/** RFC 6455, section 4.1: a GET without a body, of HTTP/1.1. */
function isWebSocket(scan: RequestScan, text: string): boolean {
  if (scan.minor === 0 || scan.bodyLength !== 0) return false
  if (text.slice(scan.methodStart, scan.methodEnd) !== 'GET') return false
  return headerValue(scan, text, REQUEST.upgrade)?.toLowerCase() === 'websocket'
}

/** `u=7`, alone or among other members of the dictionary. */
const BACKGROUND = /(?:^|,)[ \t]*u=7[ \t]*(?:[,;]|$)/

function isBackground(priority: string | undefined): boolean {
  return priority !== undefined && BACKGROUND.test(priority)
}

type Connection = { isClose: boolean; isKeepAlive: boolean; isUpgrade: boolean; named: readonly string[] }

const NO_OPTIONS: Connection = { isClose: false, isKeepAlive: false, isUpgrade: false, named: [] }
const CLOSE: Connection = { ...NO_OPTIONS, isClose: true }
const KEEP_ALIVE: Connection = { ...NO_OPTIONS, isKeepAlive: true }

/** The options of a `connection` header; those that name other headers apart. */
export function readConnection(value: string): Connection {
  const lower = value.toLowerCase()
  if (lower === 'keep-alive') return KEEP_ALIVE
  if (lower === 'close') return CLOSE
  // Not `trim`, which takes more than HTTP's white space.
  const options = lower.split(/[ \t]*,[ \t]*/)
  return {
    isClose: options.includes('close'),
    isKeepAlive: options.includes('keep-alive'),
    isUpgrade: options.includes('upgrade'),
    named: options.filter((option) => option !== '' && !['close', 'keep-alive', 'upgrade'].includes(option)),
  }
}

/** What the router or the framing relies on stays, whatever a client's `connection` names: it would be another request. */
function removable(named: readonly string[], scan: RequestScan): ReadonlySet<string> {
  return new Set(named.filter((name) => scan.names.list[scan.names.idOf(name)]?.fate !== KEEP))
}

/** Header lines without those of the given lower-case names. */
export function withoutLines(lines: string, names: ReadonlySet<string>): string {
  return lines
    .split('\r\n')
    .filter((line) => line !== '' && !names.has(line.slice(0, line.indexOf(':')).toLowerCase()))
    .map((line) => `${line}\r\n`)
    .join('')
}

/** `http://host:port/path?query` → its host and the rest. No user info: nobody sends it, and it hides the host. */
function splitUrl(url: string): { host: string; target: string } | undefined {
  const start = url.indexOf('//') + 2
  let end = start
  while (end < url.length && (CLASSES[url.charCodeAt(end)]! & HOST) !== 0) end++
  const rest = url.slice(end)
  if (end === start || (rest !== '' && rest[0] !== '/' && rest[0] !== '?')) return undefined
  return { host: url.slice(start, end), target: rest.startsWith('/') ? rest : `/${rest}` }
}

/** A byte order mark stays: whoever reads the header behind this router may see it. */
const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

/** Most senders of bytes above ASCII mean UTF-8. What is not UTF-8 is left as it was read. */
export function decodeText(latin1: string): string {
  if (isAscii(latin1)) return latin1
  try {
    return utf8.decode(Buffer.from(latin1, 'latin1'))
  } catch {
    return latin1
  }
}

/** Text → Latin-1 text of its UTF-8 bytes, as it goes into a header. */
export function encodeText(text: string): string {
  return isAscii(text) ? text : Buffer.from(text, 'utf8').toString('latin1')
}

/**
 * A copy of text that was cut out of what was read. To be used for what is kept: the engine cuts by reference, so a key
 * of 20 characters would keep the whole read alive, of up to 16 KB.
 */
export function copyText(text: string): string {
  return Buffer.from(text, 'utf8').toString('utf8')
}

function isAscii(text: string): boolean {
  for (let i = 0; i < text.length; i++) if (text.charCodeAt(i) > 0x7f) return false
  return true
}

/** Version 00 of W3C trace context. All-zero ids are invalid. */
const TRACEPARENT = /^00-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}$/

export function isTraceparent(value: string): boolean {
  return TRACEPARENT.test(value)
}

/** What a log or a header can hold without harm. Anything else of a client's is replaced, not cleaned. */
const SANE_REQUEST_ID = /^[A-Za-z0-9._:+/=-]{1,128}$/

export function isSaneRequestId(value: string): boolean {
  return SANE_REQUEST_ID.test(value)
}
