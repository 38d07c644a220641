/**
 * One connection to a cell, and the answer that comes on it.
 *
 *     connecting ──▶ idle ◀──▶ busy ──▶ tunnel
 *         └──────────┴───┬──────┴─────────┘
 *                      closed
 *
 * - **busy**: one exchange has it. Its request is written as the exchange hands it over; what arrives is taken apart
 *   into head, data and end. A connection is idle again when the answer and the request are both complete, nothing
 *   came beyond the answer, and neither side asked to close. In any other case it is closed: what is left on it could
 *   be taken for the next answer.
 * - **idle**: in its pool. Whatever arrives then is nobody's answer, and closes it.
 * - **tunnel**: after 101, bytes both ways.
 */
import { connect, type Socket } from 'node:net'
import type { Cell } from '../cells/cell.ts'
import type { CellPool } from '../cells/cell-pool.ts'
import { BodyReader } from '../http/body-reader.ts'
import { headerValue, INCOMPLETE, REFUSED } from '../http/head-scan.ts'
import { readConnection } from '../http/request-head.ts'
import { RESPONSE, ResponseScan, scanResponse } from '../http/response-scan.ts'
import type { Deadlines } from './deadlines.ts'
import type { ServeDeps } from './deps.ts'
import { guard } from './guard.ts'
import { type LocalFailure, localFailureOf } from './local-failure.ts'
import { createReads, LARGE_BODY_BYTES, type Reads } from './read-buffer.ts'

/** Why a connection gave no answer, or not all of it. `local`: this process could not even open it. */
export type CellFailure = 'connect' | 'timeout' | 'broken' | 'invalid' | 'local'

/** Whoever waits for the answer. */
export type AnswerReceiver = {
  /** HEAD: the answer has no body, whatever its head says. */
  readonly isHead: boolean
  /** All of the request has been written. */
  readonly isRequestSent: boolean
  onConnected(): void
  /** 1xx but 101. `scan` and `text` are valid during the call. */
  onInterim(scan: ResponseScan, text: string): void
  /** 101: from now on bytes go both ways. */
  onSwitch(scan: ResponseScan, text: string): void
  onAnswerHead(scan: ResponseScan, text: string, hasBody: boolean): void
  onAnswerData(data: string): void
  /** The same, as bytes that are the connection's own until it is read again. */
  onAnswerBytes(bytes: Buffer): void
  onAnswerEnd(trailers: string): void
  /** What was read has been handed over; more follows later. */
  onAnswerPause(): void
  /** The cell can take more of the request. */
  onCellDrain(): void
  onCellTimeout(): void
  onCellFailed(why: CellFailure): void
}

/** Informational answers before the real one; more is a cell in a loop. */
const INTERIM_ANSWERS_MAX = 16

/** One scan at a time: its positions are used up before the next one. */
const scan = new ResponseScan()

export class CellConnection {
  readonly cell: Cell
  deadline = Number.POSITIVE_INFINITY
  readonly #pool: CellPool
  readonly #deadlines: Deadlines
  readonly #headBytesMax: number
  readonly #reads: Reads
  readonly #socket: Socket
  #receiver: AnswerReceiver | null
  #isConnected = false
  #isTunnel = false
  #isPaused = false
  #isWaiting = false
  #hasEnded = false
  #localFailure: LocalFailure | null = null
  /** The beginning of a head that has not arrived in full. */
  #partialHead: Buffer | null = null
  #interimCount = 0
  #isHeadRead = false
  #body: BodyReader | null = null
  #isKeptAlive = false

  constructor(deps: ServeDeps, cell: Cell, receiver: AnswerReceiver) {
    this.cell = cell
    this.#pool = cell.pool
    this.#receiver = receiver
    this.#deadlines = deps.deadlines
    this.#headBytesMax = deps.limits.header_bytes_max
    const { hostname: host, port, isTls } = cell.pool.origin
    const onDefect = (error: Error) => {
      deps.onDefect(error)
      this.#fail('invalid')
    }
    this.#reads = createReads((bytes, length, isOwn) => {
      try {
        this.#receive(bytes, length, isOwn)
      } catch (error) {
        onDefect(error as Error)
      }
    })
    if (isTls) {
      this.#socket = deps.cellTls.connect(cell.pool.origin)
      this.#socket.on('data', (bytes: Buffer) => this.#reads.receive(bytes, bytes.length, true))
    } else {
      const { lookup } = deps.addresses
      this.#socket = connect({
        host,
        port,
        lookup,
        noDelay: true,
        allowHalfOpen: true,
        onread: this.#reads.options,
      })
    }
    const on = (event: string, listener: () => void) => this.#socket.on(event, guard(onDefect, listener))
    on(isTls ? 'secureConnect' : 'connect', () => this.#onConnected())
    on('drain', () => this.#receiver?.onCellDrain())
    on('end', () => this.#onEnd())
    // An error of an idle connection must not wait for the 'close' that follows, and says the rest.
    this.#socket.on('error', (error: NodeJS.ErrnoException) => {
      this.#pool.remove(this)
      if (!this.#isConnected) this.#localFailure = localFailureOf(error)
    })
    on('close', () => this.#onClose())
    deps.deadlines.watch(this)
  }

  get isConnected(): boolean {
    return this.#isConnected
  }

  /** What this process lacked to open it; null when it was not that. */
  get localFailure(): LocalFailure | null {
    return this.#localFailure
  }

  /** Something of the answer has come, an informational one or a part of a head too. */
  get hasAnswerBegun(): boolean {
    return this.#isHeadRead || this.#partialHead !== null || this.#interimCount > 0
  }

  get pathPrefix(): string {
    return this.#pool.origin.pathPrefix
  }

  get authority(): string {
    return this.#pool.origin.authority
  }

  /** True while the cell takes the request more slowly than it comes. */
  get isFull(): boolean {
    return this.#isWaiting || this.#socket.writableNeedDrain
  }

  /** Gives an idle connection to an exchange. */
  use(receiver: AnswerReceiver): void {
    this.#receiver = receiver
    this.#isHeadRead = false
    this.#isWaiting = false
    this.#interimCount = 0
    this.#body = null
  }

  /** Latin-1 text. False when the cell does not take it as fast: `onCellDrain` follows. */
  write(text: string): boolean {
    return this.#socket.write(text, 'latin1')
  }

  /** Writes bytes that are the writer's own until this returns true or the receiver hears `onCellDrain`. */
  writeBytes(bytes: Buffer): boolean {
    const isTaken = this.#socket.write(bytes, this.#onBytesWritten)
    if (isTaken && this.#socket.writableLength === 0) return true
    this.#isWaiting = true
    return false
  }

  readonly #onBytesWritten = (): void => {
    if (!this.#isWaiting || this.#socket.writableLength > 0) return
    this.#isWaiting = false
    this.#receiver?.onCellDrain()
  }

  /** Half-closes: for tunnels. */
  end(): void {
    this.#socket.end()
  }

  pause(): void {
    if (this.#isPaused) return
    this.#isPaused = true
    this.#socket.pause()
  }

  resume(): void {
    if (!this.#isPaused) return
    this.#isPaused = false
    this.#socket.resume()
  }

  /** Closes without another word to the receiver. */
  destroy(): void {
    this.#receiver = null
    this.#socket.destroy()
  }

  onDeadline(): void {
    if (this.#receiver) this.#receiver.onCellTimeout()
    else this.#close()
  }

  #onConnected(): void {
    this.#isConnected = true
    this.#receiver?.onConnected()
  }

  #receive(bytes: Buffer, length: number, isOwn: boolean): void {
    const receiver = this.#receiver
    // At once out of the pool: the socket says that it is closed only later, and another request might be given it.
    if (!receiver) return this.#close()
    if (isOwn && this.#isHeadRead) return this.#readBody(receiver, bytes, '', 0, length)
    let buffer = bytes
    let limit = length
    if (this.#partialHead) {
      buffer = Buffer.concat([this.#partialHead, bytes.subarray(0, length)])
      limit = buffer.length
      this.#partialHead = null
    }
    const text = buffer.toString('latin1', 0, limit)
    if (this.#isTunnel) {
      receiver.onAnswerData(text)
      return receiver.onAnswerPause()
    }
    let at = 0
    while (!this.#isHeadRead) {
      at = this.#readHead(receiver, buffer, text, at, limit)
      if (at < 0) return
      if (this.#isTunnel) {
        // Another receiver has taken over.
        if (at < limit) this.#receiver?.onAnswerData(text.slice(at))
        return this.#receiver?.onAnswerPause()
      }
      if (this.#receiver !== receiver) return
    }
    this.#readBody(receiver, buffer, text, at, limit)
  }

  /** Reads one head, informational or final; returns where it ends, or a negative number when nothing more is to be done. */
  #readHead(receiver: AnswerReceiver, buffer: Buffer, text: string, start: number, limit: number): number {
    const end = scanResponse(scan, buffer, start, limit)
    if (end === REFUSED) return this.#fail('invalid')
    if ((end === INCOMPLETE ? limit : end) - start > this.#headBytesMax) return this.#fail('invalid')
    if (end === INCOMPLETE) {
      if (start < limit) this.#partialHead = Buffer.from(buffer.subarray(start, limit))
      return end
    }
    const { status } = scan
    if (status === 101) {
      this.#isTunnel = true
      receiver.onSwitch(scan, text)
    } else if (status < 200) {
      if (++this.#interimCount > INTERIM_ANSWERS_MAX) return this.#fail('invalid')
      receiver.onInterim(scan, text)
    } else {
      const hasNoBody = receiver.isHead || status === 204 || status === 304 || scan.bodyLength === 0
      this.#isHeadRead = true
      this.#body = hasNoBody ? null : new BodyReader(scan.bodyLength)
      this.#isKeptAlive = isKeptAlive(text)
      if (!hasNoBody && scan.bodyLength >= LARGE_BODY_BYTES) this.#reads.readOwn()
      receiver.onAnswerHead(scan, text, !hasNoBody)
    }
    return end
  }

  /** `text` is that of the bytes, or empty when these are the socket's own and can be passed on as they are. */
  #readBody(receiver: AnswerReceiver, buffer: Buffer, text: string, start: number, limit: number): void {
    const body = this.#body
    let at = start
    while (body && !body.isDone && at < limit) {
      at = body.read(buffer, at, limit)
      if (at === REFUSED) {
        this.#fail('invalid')
        return
      }
      if (body.dataEnd > body.dataStart) {
        if (text === '') receiver.onAnswerBytes(buffer.subarray(body.dataStart, body.dataEnd))
        else receiver.onAnswerData(text.slice(body.dataStart, body.dataEnd))
      }
      // What was handed over may have ended the exchange.
      if (this.#receiver !== receiver) return
    }
    if (body && !body.isDone) return receiver.onAnswerPause()
    this.#finish(receiver, at < limit)
  }

  #finish(receiver: AnswerReceiver, hasExcess: boolean): void {
    const trailers = this.#body?.trailers ?? ''
    this.#receiver = null
    // While the client is waited for, bytes are still to be written.
    this.#reads.readShared(!this.#isPaused)
    this.resume()
    const isRequestTaken = receiver.isRequestSent && this.#socket.writableLength === 0
    if (this.#isKeptAlive && !hasExcess && !this.#hasEnded && isRequestTaken) {
      this.#pool.put(this, this.#deadlines.now)
    } else {
      this.#socket.destroy()
    }
    receiver.onAnswerEnd(trailers)
  }

  #fail(why: CellFailure): number {
    const receiver = this.#receiver
    this.destroy()
    receiver?.onCellFailed(why)
    return REFUSED
  }

  /** The cell sends nothing more. */
  #onEnd(): void {
    this.#hasEnded = true
    const receiver = this.#receiver
    if (!receiver) return this.#close()
    if (this.#body?.endsWithConnection) this.#finish(receiver, false)
    else if (this.#isTunnel) receiver.onAnswerEnd('')
    else this.#fail('broken')
  }

  #onClose(): void {
    this.#close()
    const receiver = this.#receiver
    this.#receiver = null
    receiver?.onCellFailed(this.#isConnected ? 'broken' : this.#localFailure ? 'local' : 'connect')
  }

  #close(): void {
    this.#pool.remove(this)
    this.#reads.readShared(false)
    this.#deadlines.forget(this)
    this.#socket.destroy()
  }
}

function isKeptAlive(text: string): boolean {
  const connection = headerValue(scan, text, RESPONSE.connection)
  if (connection === undefined) return scan.minor === 1
  const options = readConnection(connection)
  return !options.isClose && (scan.minor === 1 || options.isKeepAlive)
}
