/**
 * The answer on its way to the client, the cell's or the router's own: framed as the client understands it, gathered so
 * that a head and what came with it go out in one write.
 */
import { formatChunk, formatLastChunk } from '../http/chunked-body.ts'
import { headerValue } from '../http/head-scan.ts'
import type { RequestHead } from '../http/request-head.ts'
import { RESPONSE, type ResponseScan } from '../http/response-scan.ts'
import { createEventBoundary, type StreamBoundary } from '../http/stream-boundary.ts'
import { formatAnswerHead } from './answer-head.ts'
import type { ClientConnection } from './client-connection.ts'

export class Answer {
  /** 0 until there is an answer. */
  status = 0
  /** Another request may follow on the client's connection. */
  isClientKept = false
  readonly #client: ClientConnection
  readonly #request: RequestHead
  #isChunked = false
  #isBegun = false
  #text = ''
  /** Of an event stream, which has no end of its own. */
  #boundary: StreamBoundary | null = null

  constructor(client: ClientConnection, request: RequestHead) {
    this.#client = client
    this.#request = request
  }

  /**
   * Begins the answer of a cell. A body of unknown length goes out in chunks, or, to HTTP/1.0, until the connection
   * ends.
   *
   * @param mayKeep whether the connection may be used again, as far as the request and the router go
   */
  begin(
    scan: ResponseScan,
    text: string,
    hasBody: boolean,
    mayKeep: boolean,
    cell: string,
    requestId: string,
  ): void {
    const isLengthUnknown = hasBody && scan.bodyLength < 0
    this.status = scan.status
    this.#isChunked = isLengthUnknown && this.#request.minor === 1
    this.isClientKept = mayKeep && this.#request.isKeptAlive && (!isLengthUnknown || this.#isChunked)
    if (isLengthUnknown && isEventStream(scan, text)) this.#boundary = createEventBoundary()
    const connection = this.#connectionLine()
    this.#text = formatAnswerHead(scan, text, { cell, requestId, isChunked: this.#isChunked, connection })
  }

  add(data: string): void {
    this.#boundary?.feed(data)
    this.#text += this.#isChunked ? formatChunk(data) : data
  }

  /** It is an event stream, and between two events. */
  get mayEndHere(): boolean {
    return this.#boundary?.isAtBoundary === true
  }

  /** What comes needs no framing: its bytes may be passed on as they are. */
  get passesBytes(): boolean {
    return !this.#isChunked && this.#boundary === null
  }

  /** Writes bytes that are the writer's own until this returns true or the exchange hears `onClientDrain`. */
  writeBytes(bytes: Buffer): boolean {
    this.flush()
    return this.#client.writeBytes(bytes)
  }

  /** Writes what has been gathered. False when the client does not take it as fast. */
  flush(): boolean {
    if (this.#text === '') return true
    const text = this.#text
    this.#text = ''
    this.#isBegun = true
    return this.#client.write(text)
  }

  /** Forgets a cell's answer that turned out to be broken. False when the client has a part of it. */
  takeBack(): boolean {
    this.#text = ''
    return !this.#isBegun
  }

  finish(trailers: string): void {
    if (this.#isChunked) this.#text += formatLastChunk(trailers)
    this.flush()
  }

  /** An answer of the router's own; `head` lacks its last lines. */
  writeOwn({ status, head, body }: OwnAnswer, mayKeep: boolean): void {
    this.status = status
    this.isClientKept = mayKeep && this.#request.isKeptAlive
    const isBodyWanted = this.#request.method !== 'HEAD'
    this.#client.write(`${head}${this.#connectionLine()}\r\n${isBodyWanted ? body : ''}`)
  }

  #connectionLine(): string {
    if (!this.isClientKept) return 'connection: close\r\n'
    return this.#request.minor === 0 ? 'connection: keep-alive\r\n' : ''
  }
}

function isEventStream(scan: ResponseScan, text: string): boolean {
  return headerValue(scan, text, RESPONSE.contentType)?.toLowerCase().startsWith('text/event-stream') === true
}

export type OwnAnswer = { status: number; head: string; body: string }
