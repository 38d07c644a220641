/**
 * The answers of one HTTP/1.1 request, as the router writes them, taken apart into what HTTP/2 has frames for. They are
 * read by the same scan as a cell's: what it would not read, no client is sent.
 */
import { BodyReader } from '../http/body-reader.ts'
import { REFUSED } from '../http/head-scan.ts'
import { CHUNKED } from '../http/request-scan.ts'
import { ResponseScan, scanResponse } from '../http/response-scan.ts'
import { CONNECTION_HEADERS } from './request-text.ts'

/** By lower-case name; several values for a header that is there several times. */
export type AnswerHeaders = Record<string, string | string[]>

export type AnswerFrames = {
  onInterim(status: number, headers: AnswerHeaders): void
  /** `body`: what follows; only after `chunked` may there be trailers. */
  onHead(status: number, headers: AnswerHeaders, body: 'none' | 'sized' | 'chunked'): void
  onData(bytes: Buffer): void
  onEnd(trailers: AnswerHeaders): void
}

/** What Node lets no message of HTTP/2 have; an answer has no use for the last two either. */
const LEFT_OUT: ReadonlySet<string> = new Set([...CONNECTION_HEADERS, 'te', 'http2-settings'])

/** One scan at a time: its positions are used up before the next one. */
const scan = new ResponseScan()

export class AnswerReader {
  readonly #isHead: boolean
  readonly #frames: AnswerFrames
  #body: BodyReader | null = null
  #isHeadRead = false
  #isDone = false

  constructor(isHead: boolean, frames: AnswerFrames) {
    this.#isHead = isHead
    this.#frames = frames
  }

  /**
   * Reads on; heads come whole. Text is Latin-1; bytes are copied, because they are the sender's again at once, and a
   * stream holds data until its client has room. False when it is not what an answer looks like.
   */
  read(data: string | Buffer): boolean {
    const bytes = typeof data === 'string' ? Buffer.from(data, 'latin1') : Buffer.from(data)
    let at = 0
    while (!this.#isHeadRead && at < bytes.length) {
      const end = scanResponse(scan, bytes, at, bytes.length)
      if (end < 0 || scan.status === 101) return false
      this.#readHead(bytes.toString('latin1', scan.linesStart, scan.linesEnd))
      at = end
    }
    const body = this.#body
    while (body && !body.isDone && at < bytes.length) {
      at = body.read(bytes, at, bytes.length)
      if (at === REFUSED) return false
      if (body.dataEnd > body.dataStart) this.#frames.onData(bytes.subarray(body.dataStart, body.dataEnd))
    }
    if (this.#isHeadRead && !this.#isDone && (!body || body.isDone)) {
      this.#isDone = true
      this.#frames.onEnd(readLines(body?.trailers ?? ''))
    }
    return at === bytes.length
  }

  #readHead(lines: string): void {
    const { status, bodyLength } = scan
    if (status < 200) return this.#frames.onInterim(status, readLines(lines))
    this.#isHeadRead = true
    const hasBody = !this.#isHead && status !== 204 && status !== 304 && bodyLength !== 0
    this.#body = hasBody ? new BodyReader(bodyLength) : null
    const body = !hasBody ? 'none' : bodyLength === CHUNKED ? 'chunked' : 'sized'
    this.#frames.onHead(status, readLines(lines), body)
  }
}

function readLines(lines: string): AnswerHeaders {
  // Without a prototype: a header may have any name.
  const headers: AnswerHeaders = Object.create(null)
  for (const line of lines.split('\r\n')) {
    const colon = line.indexOf(':')
    if (colon < 0) continue
    const name = line.slice(0, colon).toLowerCase()
    if (LEFT_OUT.has(name)) continue
    const value = line.slice(colon + 1).trim()
    const known = headers[name]
    headers[name] = known === undefined ? value : [...(Array.isArray(known) ? known : [known]), value]
  }
  return headers
}
