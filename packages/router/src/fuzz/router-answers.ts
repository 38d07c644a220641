/**
 * A cell's stream as the router reads it, up to the end of the final answer, and what it would send on to the client:
 * its scanner and its body reader, driven the way a cell's connection drives them, without sockets.
 */
import { BodyReader } from '../http/body-reader.ts'
import { formatChunk, formatLastChunk } from '../http/chunked-body.ts'
import { INCOMPLETE, REFUSED } from '../http/head-scan.ts'
import { ResponseScan, scanResponse } from '../http/response-scan.ts'
import { formatAnswerHead, formatInterimHead, formatSwitchHead } from '../serve/answer-head.ts'
import { type Message, type Reading, splitHeaderLines } from './message.ts'

export type AnswerCircumstances = {
  /** The request was HEAD. */
  isHead: boolean
  /** The connection ends after the bytes. */
  hasEnded: boolean
  /** Of the client: 0 or 1. */
  clientMinor: number
}

export type AnswersReading = Reading & {
  /** All bytes that would go to the client, if the last message is complete. */
  forwarded: string
}

const scan = new ResponseScan()

export function readAnswersWithRouter(
  pieces: readonly Buffer[],
  circumstances: AnswerCircumstances,
): AnswersReading {
  const stream = new AnswerStream(circumstances)
  for (const piece of pieces) stream.feed(piece)
  if (circumstances.hasEnded) stream.end()
  const { messages, problem, forwarded } = stream
  return { messages, problem, forwarded }
}

class AnswerStream implements AnswersReading {
  readonly messages: Message[] = []
  forwarded = ''
  problem = ''
  readonly #circumstances: AnswerCircumstances
  #pending: Buffer = Buffer.alloc(0)
  #base = 0
  #isOver = false
  #body: BodyReader | null = null
  #isToBeChunked = false

  constructor(circumstances: AnswerCircumstances) {
    this.#circumstances = circumstances
  }

  feed(piece: Buffer): void {
    const bytes = this.#pending.length > 0 ? Buffer.concat([this.#pending, piece]) : piece
    const text = bytes.toString('latin1')
    let at = 0
    while (!this.#isOver && (at < bytes.length || !this.#body)) {
      const next = this.#body ? this.#readBody(this.#body, bytes, text, at) : this.#readHead(bytes, text, at)
      if (next === INCOMPLETE) break
      at = next
    }
    this.#pending = bytes.subarray(at)
    this.#base += at
  }

  end(): void {
    if (!this.#isOver && this.#body?.endsWithConnection) this.#finish(this.#base, '')
  }

  #refuse(problem: string): number {
    this.problem = problem
    this.#isOver = true
    return INCOMPLETE
  }

  #readHead(bytes: Buffer, text: string, start: number): number {
    const end = scanResponse(scan, bytes, start, bytes.length)
    if (end === REFUSED) return this.#refuse(scan.problem)
    if (end === INCOMPLETE) return INCOMPLETE
    const { status, minor, bodyLength } = scan
    this.messages.push({
      method: '',
      target: '',
      status,
      minor,
      headers: splitHeaderLines(text.slice(scan.linesStart, scan.linesEnd)),
      headEnd: this.#base + end,
      body: '',
      trailers: [],
      end: -1,
      // Not compared: a cell that closes what the router would keep only costs a new connection.
      isKeptAlive: false,
    })
    if (status === 101) {
      this.forwarded += formatSwitchHead(scan, text, 'cell-1', 'r-1')
      this.#isOver = true
    } else if (status < 200) {
      this.messages.at(-1)!.end = this.#base + end
      if (status !== 100 && this.#circumstances.clientMinor === 1)
        this.forwarded += formatInterimHead(scan, text)
    } else {
      const hasBody = !this.#circumstances.isHead && status !== 204 && status !== 304 && bodyLength !== 0
      this.#isToBeChunked = hasBody && bodyLength < 0 && this.#circumstances.clientMinor === 1
      const lines = { cell: 'cell-1', requestId: 'r-1', isChunked: this.#isToBeChunked, connection: '' }
      this.forwarded += formatAnswerHead(scan, text, lines)
      this.#body = hasBody ? new BodyReader(bodyLength) : null
      if (!hasBody) this.#finish(this.#base + end, '')
    }
    return end
  }

  #readBody(body: BodyReader, bytes: Buffer, text: string, start: number): number {
    const at = body.read(bytes, start, bytes.length)
    if (at === REFUSED) return this.#refuse(body.problem)
    if (body.dataEnd > body.dataStart) {
      const data = text.slice(body.dataStart, body.dataEnd)
      this.messages.at(-1)!.body += data
      this.forwarded += this.#isToBeChunked ? formatChunk(data) : data
    }
    if (body.isDone) this.#finish(this.#base + at, body.trailers)
    return at
  }

  #finish(end: number, trailers: string): void {
    const message = this.messages.at(-1)!
    message.end = end
    message.trailers = splitHeaderLines(trailers)
    if (this.#isToBeChunked) this.forwarded += formatLastChunk(trailers)
    this.#isOver = true
  }
}
