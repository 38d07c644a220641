/**
 * One stream of HTTP/2, dressed as the socket of an HTTP/1.1 client that sends one request: its head and body are
 * received as text, what is written to it is taken apart into frames again. So scanning, routing, admission, retries and
 * refusals of a stream are those of any connection, and so is backpressure.
 *
 *     open ──(answer complete)──▶ answered ──(request complete, or cut short by us)──▶ closed
 *       └──(reset by either side, malformed, or destroyed)────────────────────────────▶ closed
 *
 * Each stream has a connection of its own behind it, so nothing that is wrong with one request's length can reach
 * another request.
 */
import { EventEmitter } from 'node:events'
import { constants, type ServerHttp2Stream } from 'node:http2'
import { formatLastChunk } from '../http/chunked-body.ts'
import { CHUNKED } from '../http/request-scan.ts'
import type { ClientSocket } from '../serve/client-connection.ts'
import type { Receive } from '../serve/read-buffer.ts'
import { type AnswerFrames, type AnswerHeaders, AnswerReader } from './answer-reader.ts'
import { formatTrailerLines, type RequestText } from './request-text.ts'

const { NGHTTP2_INTERNAL_ERROR, NGHTTP2_NO_ERROR, NGHTTP2_PROTOCOL_ERROR } = constants

const CRLF = Buffer.from('\r\n')

export class StreamSocket extends EventEmitter implements ClientSocket, AnswerFrames {
  readonly remoteAddress: string | undefined
  /** This side has given the stream up. */
  isCut = false
  readonly #stream: ServerHttp2Stream
  readonly #receive: Receive
  readonly #answer: AnswerReader
  #isRequestEnded = false
  #requestTrailers = ''
  /** Trailers end the answer, though there may be none. */
  #hasTrailers = false
  #answerTrailers: AnswerHeaders = {}

  constructor(
    stream: ServerHttp2Stream,
    receive: Receive,
    isHead: boolean,
    remoteAddress: string | undefined,
  ) {
    super()
    this.#stream = stream
    this.#receive = receive
    this.#answer = new AnswerReader(isHead, this)
    this.remoteAddress = remoteAddress
    stream.on('drain', () => this.emit('drain'))
    stream.on('close', () => this.emit('close'))
    stream.on('wantTrailers', () => {
      stream.sendTrailers(this.#answerTrailers)
      this.#dropRestOfRequest()
    })
    stream.on('finish', () => {
      if (!this.#hasTrailers) this.#dropRestOfRequest()
    })
  }

  /** To be called once, when who receives is ready. */
  begin({ text, bodyLength }: RequestText, isEnded: boolean): void {
    const stream = this.#stream
    this.#isRequestEnded = isEnded
    this.#give(Buffer.from(text, 'latin1'))
    if (bodyLength === CHUNKED) this.#readChunked()
    else if (!isEnded) this.#readSized(bodyLength)
    else if (!stream.isPaused()) stream.resume()
  }

  #readChunked(): void {
    const stream = this.#stream
    stream.on('trailers', (_headers, _flags, fields: string[]) => {
      const lines = formatTrailerLines(fields)
      if (lines === undefined) this.#reset(NGHTTP2_PROTOCOL_ERROR)
      else this.#requestTrailers = lines
    })
    stream.on('data', (bytes: Buffer) => {
      if (bytes.length === 0) return
      this.#give(Buffer.concat([Buffer.from(`${bytes.length.toString(16)}\r\n`), bytes, CRLF]))
    })
    stream.on('end', () => {
      this.#isRequestEnded = true
      // Also of a stream that was reset; its request must not look complete.
      if (!stream.aborted) this.#give(Buffer.from(formatLastChunk(this.#requestTrailers), 'latin1'))
    })
  }

  /** nghttp2 compares the data with the content-length; more would be another request behind this socket. */
  #readSized(length: number): void {
    const stream = this.#stream
    let left = length
    stream.on('data', (bytes: Buffer) => {
      left -= bytes.length
      if (left < 0) this.#reset(NGHTTP2_PROTOCOL_ERROR)
      else if (bytes.length > 0) this.#give(bytes)
    })
    stream.on('end', () => {
      this.#isRequestEnded = true
    })
  }

  #give(bytes: Buffer): void {
    if (!this.isCut) this.#receive(bytes, bytes.length, true)
  }

  // ── As a socket ──

  get writableNeedDrain(): boolean {
    return this.#stream.writableNeedDrain
  }

  /** Nothing that was written is still the writer's: the answer's reader copies it. */
  readonly writableLength = 0

  write(data: string | Buffer): boolean {
    if (this.#isOver) return true
    if (!this.#answer.read(data)) this.#reset(NGHTTP2_INTERNAL_ERROR)
    return !this.#stream.writableNeedDrain
  }

  pause(): void {
    this.#stream.pause()
  }

  resume(): void {
    this.#stream.resume()
  }

  /** The stream ends with its answer; `onFlushed` is for whoever waits for that. */
  end(onFlushed?: () => void): void {
    if (onFlushed) this.#stream.once('finish', onFlushed)
  }

  destroySoon(): void {
    if (!this.#stream.writableEnded) this.destroy()
  }

  destroy(): void {
    this.#reset(NGHTTP2_INTERNAL_ERROR)
  }

  // ── As frames of an answer ──

  onInterim(status: number, headers: AnswerHeaders): void {
    if (!this.#isOver) this.#stream.additionalHeaders({ ...headers, ':status': status })
  }

  onHead(status: number, headers: AnswerHeaders, body: 'none' | 'sized' | 'chunked'): void {
    if (this.#isOver) return
    headers[':status'] = String(status)
    // The answer has a date if the cell gave it one, as over HTTP/1.1; Node's types know nothing of this.
    this.#hasTrailers = body === 'chunked'
    const options = { endStream: body === 'none', waitForTrailers: this.#hasTrailers, sendDate: false }
    this.#stream.respond(headers, options)
  }

  onData(bytes: Buffer): void {
    if (!this.#isOver) this.#stream.write(bytes)
  }

  onEnd(trailers: AnswerHeaders): void {
    this.#answerTrailers = trailers
    if (!this.#isOver) this.#stream.end()
  }

  get #isOver(): boolean {
    return this.isCut || this.#stream.destroyed || this.#stream.closed
  }

  /**
   * RFC 9113, section 8.1: after a whole answer, the rest of a request is not waited for, and that is no error. In the
   * next turn, because Node sends the frame that ends the answer at the end of this one.
   */
  #dropRestOfRequest(): void {
    if (this.#isRequestEnded) return
    setImmediate(() => {
      if (!this.#isRequestEnded) this.#reset(NGHTTP2_NO_ERROR)
    })
  }

  #reset(code: number): void {
    if (this.#isOver) return
    this.isCut = true
    this.#stream.close(code)
  }
}
