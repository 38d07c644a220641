/**
 * The head of an HTTP/2 request as HTTP/1.1 text, so that it goes through the same scan as every other, and is decided
 * upon by the same code.
 *
 * What nghttp2 lets through is checked once more: a line break in a value would be another header here, a space in the
 * path another request line. A request that HTTP/2 calls malformed (RFC 9113, section 8.1.1) has no text.
 */
import { CLASSES, HOST, TARGET, TOKEN, VALUE } from '../http/character-classes.ts'
import { CHUNKED } from '../http/request-scan.ts'

export type RequestText = {
  /** Latin-1. */
  text: string
  /** Bytes of the body, or CHUNKED: the text says so too. */
  bodyLength: number
}

/** Of a connection, which HTTP/2 has in frames (RFC 9113, section 8.2.2). */
export const CONNECTION_HEADERS: ReadonlySet<string> = new Set([
  'connection',
  'keep-alive',
  'proxy-connection',
  'transfer-encoding',
  'upgrade',
])

/** More than the scan's answer would change, and it refuses what is longer. */
const LENGTH = /^\d{1,15}$/

/**
 * @param fields names and values in turn, as they came, those with a colon first
 * @param isEnded no body follows
 * @returns the text, or why there is none
 */
export function formatRequestText(fields: readonly string[], isEnded: boolean): RequestText | string {
  const pseudo = new Map<string, string>()
  const cookies: string[] = []
  let host: string | undefined
  let length: string | undefined
  let lines = ''
  for (let i = 0; i + 1 < fields.length; i += 2) {
    const name = fields[i]!
    const value = fields[i + 1]!
    if (name.startsWith(':')) {
      if (pseudo.has(name)) return `${name} is given twice`
      pseudo.set(name, value)
      continue
    }
    if (!consistsOf(name, TOKEN) || name !== name.toLowerCase()) return 'an invalid header name'
    if (!consistsOf(value, VALUE) || value !== value.trim()) return 'an invalid header value'
    if (CONNECTION_HEADERS.has(name)) return `the header ${name} is not for HTTP/2`
    if (name === 'te' && value.toLowerCase() !== 'trailers') return 'a te other than "trailers"'
    if (name === 'cookie') cookies.push(value)
    else if (name === 'host' && host === undefined) host = value
    else lines += `${name}: ${value}\r\n`
    if (name === 'content-length') length = value
  }
  // RFC 9113, section 8.2.3: one cookie may come in crumbs.
  if (cookies.length > 0) lines += `cookie: ${cookies.join('; ')}\r\n`

  const method = pseudo.get(':method') ?? ''
  const authority = pseudo.get(':authority')
  if (authority !== undefined && host !== undefined && authority.toLowerCase() !== host.toLowerCase()) {
    return ':authority and host name different hosts'
  }
  const isConnect = method === 'CONNECT'
  const target = (isConnect ? authority : pseudo.get(':path')) ?? ''
  if (!isConnect && pseudo.get(':scheme') !== 'https') return 'a :scheme other than "https"'
  if (!consistsOf(method, TOKEN) || !consistsOf(target, TARGET)) return 'an invalid :method or :path'
  if (!isConnect && !target.startsWith('/') && target !== '*') return 'a :path that does not start with /'
  host = authority ?? host ?? ''
  if (host !== '' && !consistsOf(host, HOST)) return 'an invalid :authority or host'

  let bodyLength = 0
  if (length !== undefined) {
    bodyLength = LENGTH.test(length) ? Number(length) : 0
    if (isEnded && bodyLength > 0) return 'a content-length without a body'
  } else if (!isEnded && !isConnect) {
    bodyLength = CHUNKED
    lines += 'transfer-encoding: chunked\r\n'
  }
  const hostLine = host === '' ? '' : `host: ${host}\r\n`
  return { text: `${method} ${target} HTTP/1.1\r\n${hostLine}${lines}\r\n`, bodyLength }
}

/** Trailers as header lines of HTTP/1.1; undefined when they are malformed. */
export function formatTrailerLines(fields: readonly string[]): string | undefined {
  let lines = ''
  for (let i = 0; i + 1 < fields.length; i += 2) {
    const name = fields[i]!
    const value = fields[i + 1]!
    if (!consistsOf(name, TOKEN) || !consistsOf(value, VALUE)) return undefined
    if (!CONNECTION_HEADERS.has(name)) lines += `${name}: ${value}\r\n`
  }
  return lines
}

/** Empty text consists of nothing, which no name, method or path may. */
function consistsOf(text: string, kind: number): boolean {
  if (text === '') return kind === VALUE
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i)
    if (code > 0xff || (CLASSES[code]! & kind) === 0) return false
  }
  return true
}
