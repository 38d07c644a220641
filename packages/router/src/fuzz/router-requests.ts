/**
 * A client's stream as the router reads it, and what it would send on to a cell: its scanner and its body reader, driven
 * the way a client's connection drives them, without sockets. The bytes may come in any pieces.
 */
import { BodyReader } from '../http/body-reader.ts'
import { CR, LF } from '../http/character-classes.ts'
import { formatChunk, formatLastChunk } from '../http/chunked-body.ts'
import { INCOMPLETE, REFUSED } from '../http/head-scan.ts'
import { type RequestHead, readRequestHead } from '../http/request-head.ts'
import { RequestScan, scanRequest } from '../http/request-scan.ts'
import { formatCellRequest } from '../serve/cell-request.ts'
import { identityOf } from '../serve/request-identity.ts'
import { type Message, type Reading, splitHeaderLines } from './message.ts'

export type RequestsReading = Reading & {
  /** The problem code of the refusal; empty when there was none. */
  code: string
  /** By message, as far as they are complete: all bytes that would go to a cell. */
  forwarded: string[]
}

/** Lines that the router adds for a tenant and a cell. */
export const TENANT_LINES = 'cellplane-tenant: acme\r\ncellplane-secret: s3cret\r\n'
export const PATH_PREFIX = '/base'
const KEY_HEADER = 'x-tenant'

/** Parts of the router that a test may replace by worse ones, to see that the fuzzer notices. */
export type RequestParts = { scanRequest: typeof scanRequest; formatCellRequest: typeof formatCellRequest }

const THE_ROUTERS_OWN: RequestParts = { scanRequest, formatCellRequest }

/** One for all, as in the router: what one request leaves behind must not show in the next one. */
const scan = new RequestScan([KEY_HEADER])

export function readWithRouter(pieces: readonly Buffer[], parts = THE_ROUTERS_OWN): RequestsReading {
  const stream = new RequestStream(parts)
  for (const piece of pieces) stream.feed(piece)
  const { messages, problem, code, forwarded } = stream
  return { messages, problem, code, forwarded }
}

class RequestStream implements RequestsReading {
  readonly messages: Message[] = []
  readonly forwarded: string[] = []
  problem = ''
  code = ''
  readonly #parts: RequestParts
  #pending: Buffer = Buffer.alloc(0)
  /** Where `#pending` stands in the stream. */
  #base = 0
  #isOver = false
  #head: RequestHead | null = null
  #body: BodyReader | null = null
  #framed = ''

  constructor(parts: RequestParts) {
    this.#parts = parts
  }

  feed(piece: Buffer): void {
    const bytes = this.#pending.length > 0 ? Buffer.concat([this.#pending, piece]) : piece
    const text = bytes.toString('latin1')
    let at = 0
    while (!this.#isOver) {
      const next = this.#body ? this.#readBody(this.#body, bytes, text, at) : this.#readHead(bytes, text, at)
      if (next === INCOMPLETE) break
      at = next
      if (this.#body && at === bytes.length) break
    }
    this.#pending = bytes.subarray(at)
    this.#base += at
  }

  #refuse(code: string, problem: string): number {
    this.code = code
    this.problem = problem
    this.#isOver = true
    return INCOMPLETE
  }

  #readHead(bytes: Buffer, text: string, from: number): number {
    if (bytes[from] === CR) {
      // Empty lines before a request are ignored.
      if (from + 1 === bytes.length) return INCOMPLETE
      if (bytes[from + 1] === LF) return from + 2
    }
    const end = this.#parts.scanRequest(scan, bytes, from, bytes.length)
    if (end === REFUSED) return this.#refuse(scan.code, scan.problem)
    if (end === INCOMPLETE) return INCOMPLETE
    const head = readRequestHead(scan, text)
    if ('code' in head) return this.#refuse(head.code, head.detail)
    this.#head = head
    this.messages.push({
      method: head.method,
      target: text.slice(scan.targetStart, scan.targetEnd),
      status: 0,
      minor: head.minor,
      headers: splitHeaderLines(text.slice(scan.linesStart, scan.linesEnd)),
      headEnd: this.#base + end,
      body: '',
      trailers: [],
      end: -1,
      isKeptAlive: head.isKeptAlive,
    })
    this.#framed = ''
    this.#body = head.bodyLength === 0 ? null : new BodyReader(head.bodyLength)
    if (!this.#body) this.#finish(end)
    return end
  }

  #readBody(body: BodyReader, bytes: Buffer, text: string, start: number): number {
    const message = this.messages.at(-1)!
    const at = body.read(bytes, start, bytes.length)
    if (at === REFUSED) return this.#refuse('INVALID_REQUEST', body.problem)
    if (body.dataEnd > body.dataStart) {
      const data = text.slice(body.dataStart, body.dataEnd)
      message.body += data
      this.#framed += body.isChunked ? formatChunk(data) : data
    }
    if (body.isDone) {
      message.trailers = splitHeaderLines(body.trailers)
      if (body.isChunked) this.#framed += formatLastChunk(body.trailers)
      this.#body = null
      this.#finish(at)
    }
    return at
  }

  #finish(at: number): void {
    const message = this.messages.at(-1)!
    const head = this.#head!
    message.end = this.#base + at
    this.#isOver = !head.isKeptAlive
    const text = this.#parts.formatCellRequest(
      {
        head,
        identity: identityOf(head, 'continue', null),
        client: { isTls: false, source: '192.0.2.1' },
        // Both policies get their share, and the same one for the same bytes.
        policy: head.lines.length % 2 === 0 ? 'replace' : 'append',
      },
      { connection: { pathPrefix: PATH_PREFIX, authority: 'cell.test:80' }, lines: TENANT_LINES, attempt: 0 },
    )
    this.forwarded.push(text + this.#framed)
  }
}
