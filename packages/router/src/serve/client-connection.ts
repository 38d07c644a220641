/**
 * One client's connection: requests come in, one exchange at a time is made of them, answers go out in order.
 *
 *     waiting ──(a head)──▶ exchanging ──(answered)──▶ waiting
 *        │                      ├──(101)──▶ tunnel
 *        └──(refused)──┐        └──(answered, not to be used again)─┐
 *                      └───────────────▶ closing ◀──────────────────┘
 *
 * - **waiting**: for a whole head, from a client that may be idle. Each has its time limit.
 * - **exchanging**: the request's body goes to the exchange as it comes; what comes after it is the next request, kept
 *   until this one is answered, up to a limit, beyond which the client is not read.
 * - **closing**: the last answer was written. What the client still sends is read and forgotten for a moment: closing on
 *   unread bytes would reset the connection, and the client might lose its answer.
 *
 * A client that shuts down its sending side still gets its answer; one that does so in the middle of a request is gone.
 */
import type { Cell } from '../cells/cell.ts'
import { BodyReader } from '../http/body-reader.ts'
import { CR, LF } from '../http/character-classes.ts'
import { INCOMPLETE, REFUSED } from '../http/head-scan.ts'
import { readRequestHead } from '../http/request-head.ts'
import { scanRequest } from '../http/request-scan.ts'
import type { ClientTls } from '../tls/client-tls.ts'
import type { ServeDeps } from './deps.ts'
import { Exchange } from './exchange.ts'
import { guard } from './guard.ts'
import { createReads, LARGE_BODY_BYTES, type Reads } from './read-buffer.ts'
import { formatRefusal, type Refusal } from './refusal.ts'
import { newRequestId } from './request-identity.ts'
import type { Tunnel } from './tunnel.ts'

/** Opens the socket, with the reads' options or so that what it reads goes to their `receive`. */
export type OpenSocket = (reads: Reads) => ClientSocket

/** What is used of a socket; a stream of HTTP/2 has it too. */
export type ClientSocket = {
  readonly remoteAddress?: string | undefined
  readonly writableNeedDrain: boolean
  /** Bytes that are still to be written. */
  readonly writableLength: number
  write(text: string, encoding: 'latin1'): boolean
  write(bytes: Buffer, onWritten: () => void): boolean
  setNoDelay?(isOn: boolean): unknown
  pause(): unknown
  resume(): unknown
  end(onFlushed?: () => void): unknown
  destroy(): unknown
  destroySoon(): unknown
  on(event: 'drain' | 'end' | 'error' | 'close', listener: () => void): unknown
}

/** A client that was answered and told to leave may go on sending for so long, and so much. */
const CLOSING_MS = 1_000
const CLOSING_BYTES_MAX = 1024 * 1024

export class ClientConnection {
  /** Where the client is: its address, IPv4 in its plain form. */
  readonly source: string
  /** Null for plain text. */
  readonly tls: ClientTls | null
  deadline: number
  readonly #deps: ServeDeps
  readonly #reads: Reads
  readonly #socket: ClientSocket
  #exchange: Exchange | null = null
  /** The body of the current request. */
  #body: BodyReader | null = null
  /** Bytes of a head that is not whole, or of requests that wait for their turn. */
  #pending: Buffer | null = null
  #isAdvancing = false
  #isReading = true
  #isWaiting = false
  #hasWritten = false
  #isPrompt = false
  #hasEnded = false
  #tunnel: Tunnel | null = null
  /** Where the tunnel ends. */
  #tunnelCell: Cell | null = null
  #closingBytes = -1

  /** `address` is the client's, where it is known without asking the socket. */
  constructor(deps: ServeDeps, open: OpenSocket, tls: ClientTls | null, address?: string) {
    this.#deps = deps
    this.tls = tls
    const onDefect = (error: Error) => {
      deps.onDefect(error)
      this.destroy()
    }
    this.#reads = createReads((bytes, length, isOwn) => {
      try {
        this.#receive(bytes, length, isOwn)
      } catch (error) {
        onDefect(error as Error)
      }
    })
    this.#socket = open(this.#reads)
    this.source = plainAddress(address ?? this.#socket.remoteAddress ?? '')
    this.deadline = deps.deadlines.now + deps.limits.head_timeout_ms
    const on = (event: 'drain' | 'end' | 'close', listener: () => void) =>
      this.#socket.on(event, guard(onDefect, listener))
    on('drain', () => this.#onDrain())
    on('end', () => this.#onEnd())
    on('close', () => this.#onClose())
    // Without a listener an error would end the process; 'close' follows and says the rest.
    this.#socket.on('error', () => {})
    deps.deadlines.watch(this)
  }

  get isTls(): boolean {
    return this.tls !== null
  }

  /** What the client asked for in its TLS handshake. */
  get serverName(): string | undefined {
    return this.tls?.serverName
  }

  get isIdle(): boolean {
    return this.#exchange === null && this.#tunnel === null
  }

  /** Latin-1 text. False when the client does not take it as fast: the exchange hears `onClientDrain`. */
  write(text: string): boolean {
    if (!this.#isPrompt) this.#becomePrompt()
    if (this.#socket.write(text, 'latin1')) return true
    this.deadline = this.#deps.deadlines.now + this.#deps.limits.idle_timeout_ms
    return false
  }

  /** Writes bytes that are the writer's own until this returns true or the exchange hears `onClientDrain`. */
  writeBytes(bytes: Buffer): boolean {
    if (!this.#isPrompt) this.#becomePrompt()
    const isTaken = this.#socket.write(bytes, this.#onBytesWritten)
    if (isTaken && this.#socket.writableLength === 0) return true
    this.#isWaiting = true
    this.deadline = this.#deps.deadlines.now + this.#deps.limits.idle_timeout_ms
    return false
  }

  /**
   * The second write on a connection may follow one that is on its way, and must not wait for it to arrive (Nagle's
   * algorithm). A connection for a single small answer never gets here, and is spared the system call.
   */
  #becomePrompt(): void {
    if (this.#hasWritten) {
      this.#isPrompt = true
      this.#socket.setNoDelay?.(true)
    }
    this.#hasWritten = true
  }

  readonly #onBytesWritten = (): void => {
    if (!this.#isWaiting || this.#socket.writableLength > 0) return
    this.#isWaiting = false
    this.#onDrain()
  }

  /** Stops and goes on reading the request's body. */
  pauseBody(): void {
    if (!this.#isReading) return
    this.#isReading = false
    this.#socket.pause()
  }

  resumeBody(): void {
    if (this.#isReading || this.#isHoldingEnough()) return
    this.#isReading = true
    this.#socket.resume()
  }

  /** What belongs to later requests has its limit, whatever the current one wants. */
  #isHoldingEnough(): boolean {
    return this.#exchange !== null && (this.#pending?.length ?? 0) > this.#deps.limits.header_bytes_max
  }

  /** True when all of the current request has come. */
  get isRequestRead(): boolean {
    return this.#body === null || this.#body.isDone
  }

  /** The process stops. */
  askToLeave(): void {
    this.#exchange?.askToLeave()
    this.#tunnel?.askToLeave()
  }

  /** A cell is on its way out of the fleet: streams without an end are to be opened anew, elsewhere. */
  leaveLeavingCell(): void {
    if (this.#exchange?.cell?.isLeaving || this.#tunnelCell?.isLeaving) this.askToLeave()
  }

  /** The exchange has ended in a tunnel: what comes from now on is not HTTP. */
  becomeTunnel(tunnel: Tunnel, cell: Cell): void {
    this.#exchange = null
    this.#tunnel = tunnel
    this.#tunnelCell = cell
    this.resumeBody()
    const early = this.#pending
    this.#pending = null
    if (early) tunnel.onClientData(early.toString('latin1'))
  }

  /** Half-closes: for tunnels. */
  end(): void {
    this.#socket.end()
  }

  destroy(): void {
    this.#socket.destroy()
  }

  /** Closes once what was written has gone out. A client that does not read it has the limit of all slow readers. */
  destroySoon(): void {
    this.deadline = this.#deps.deadlines.now + this.#deps.limits.idle_timeout_ms
    this.#socket.destroySoon()
  }

  /**
   * The exchange is over and its answer written.
   *
   * @param isKept another request may follow
   * @param isLast the client said that none will
   */
  onExchangeEnd(isKept: boolean, isLast: boolean): void {
    const isRequestRead = this.isRequestRead
    this.#exchange = null
    this.#body = null
    if (isLast && isRequestRead && this.#isSettled()) return this.destroy()
    if (!isKept || !isRequestRead) return this.#close()
    this.deadline = this.#deps.deadlines.now + this.#deps.limits.client_idle_timeout_ms
    this.#advance()
  }

  onDeadline(): void {
    if (this.#exchange || this.#tunnel) return this.destroy()
    // Half a head deserves to be told; an idle connection is just closed.
    if (this.#pending && this.#closingBytes < 0) {
      this.#refuse({ code: 'REQUEST_TIMEOUT', detail: 'the head of the request did not come in time' })
    } else {
      this.destroy()
    }
  }

  #receive(bytes: Buffer, length: number, isOwn: boolean): void {
    if (this.#closingBytes >= 0) {
      this.#closingBytes += length
      if (this.#closingBytes > CLOSING_BYTES_MAX) this.destroy()
    } else if (this.#tunnel) {
      this.#tunnel.onClientData(bytes.toString('latin1', 0, length))
    } else if (!this.#exchange) {
      this.#readHead(bytes, length)
    } else if (this.isRequestRead) {
      this.#hold(bytes, 0, length)
    } else {
      this.#readBody(this.#exchange, bytes, isOwn ? '' : bytes.toString('latin1', 0, length), 0, length)
    }
  }

  /** Requests that arrived while another one was answered. */
  #advance(): void {
    if (this.#isAdvancing) return
    this.#isAdvancing = true
    // Answers that the client does not take must not pile up: its next request waits until it has.
    while (!this.#exchange && this.#pending && this.#closingBytes < 0 && !this.#socket.writableNeedDrain) {
      const pending = this.#pending
      this.#pending = null
      if (!this.#readHead(pending, pending.length)) break
    }
    this.#isAdvancing = false
    if (this.#exchange || this.#closingBytes >= 0) return
    if (this.#socket.writableNeedDrain) {
      this.deadline = this.#deps.deadlines.now + this.#deps.limits.idle_timeout_ms
      this.pauseBody()
    } else if (this.#hasEnded) {
      this.#close()
    } else {
      this.resumeBody()
    }
  }

  /** False when there is no whole head yet, or never will be. */
  #readHead(bytes: Buffer, length: number): boolean {
    const { limits } = this.#deps
    let buffer = bytes
    let limit = length
    if (this.#pending) {
      buffer = Buffer.concat([this.#pending, bytes.subarray(0, length)])
      limit = buffer.length
      this.#pending = null
    }
    // RFC 9112, section 2.2: empty lines before a request are ignored. Some clients send one after a body.
    let start = 0
    while (start + 1 < limit && buffer[start] === CR && buffer[start + 1] === LF) start += 2
    if (start === limit) return false
    if (buffer[start] === CR && start + 1 === limit) {
      this.#pending = Buffer.from([CR])
      return false
    }
    const scan = this.#deps.scan()
    const end = scanRequest(scan, buffer, start, limit)
    if (end === REFUSED)
      return this.#refuse({ code: scan.code, detail: `the request was refused: ${scan.problem}` })
    if ((end === INCOMPLETE ? limit : end) - start > limits.header_bytes_max) {
      const detail = `the head of the request has more than ${limits.header_bytes_max} bytes`
      return this.#refuse({ code: 'HEADERS_TOO_LARGE', detail })
    }
    if (end === INCOMPLETE) {
      // The time for a head runs from its first byte; more bytes do not extend it.
      if (bytes === buffer) this.deadline = this.#deps.deadlines.now + limits.head_timeout_ms
      this.#pending = Buffer.from(buffer.subarray(start, limit))
      return false
    }
    const text = buffer.toString('latin1', 0, limit)
    const head = readRequestHead(scan, text)
    if ('code' in head) return this.#refuse(head)
    if (this.tls && !this.tls.serves(head.host)) {
      const detail =
        'the host has a certificate of its own; ask for it on a connection that was opened for it'
      return this.#refuse({ code: 'CONNECTION_MISDIRECTED', detail })
    }
    this.deadline = Number.POSITIVE_INFINITY
    this.#body = head.bodyLength === 0 ? null : new BodyReader(head.bodyLength)
    if (head.bodyLength >= LARGE_BODY_BYTES) this.#reads.readOwn()
    const exchange = new Exchange(this.#deps, this, head)
    this.#exchange = exchange
    exchange.start(scan, text)
    this.#readBody(exchange, buffer, text, end, limit)
    return true
  }

  /** `text` is that of the bytes, or empty when these are the socket's own and can be passed on as they are. */
  #readBody(exchange: Exchange, buffer: Buffer, text: string, start: number, limit: number): void {
    const body = this.#body
    let at = start
    while (body && !body.isDone && at < limit) {
      at = body.read(buffer, at, limit)
      if (at === REFUSED) return exchange.onBodyInvalid(body.problem)
      if (body.dataEnd === body.dataStart) continue
      if (text === '') exchange.onBodyBytes(buffer.subarray(body.dataStart, body.dataEnd))
      else exchange.onBodyData(text.slice(body.dataStart, body.dataEnd))
    }
    if (body?.isDone) {
      // While it is waited for its bytes are still to be written.
      this.#reads.readShared(this.#isReading)
      exchange.onBodyEnd(body.trailers)
    }
    // Before the exchange goes on: it may end at once, and the next request is then what is left.
    this.#hold(buffer, at, limit)
    exchange.flushRequest()
  }

  /** Keeps what belongs to later requests. The client is not read while there is as much of it as a head may have. */
  #hold(bytes: Buffer, start: number, limit: number): void {
    if (start >= limit || this.#closingBytes >= 0) return
    const more = Buffer.from(bytes.subarray(start, limit))
    this.#pending = this.#pending ? Buffer.concat([this.#pending, more]) : more
    if (this.#pending.length > this.#deps.limits.header_bytes_max) this.pauseBody()
  }

  /** Answers what cannot become an exchange, and closes: where this request ends is not known. */
  #refuse(refusal: Refusal): false {
    this.#deps.traffic.countRefusal(refusal.code)
    const { head, body } = formatRefusal(refusal, newRequestId())
    this.write(`${head}connection: close\r\n\r\n${body}`)
    this.#close()
    return false
  }

  /** Nothing is left to be read or written, so closing at once harms nobody; TLS has a farewell of its own. */
  #isSettled(): boolean {
    return this.#socket.writableLength === 0 && this.#pending === null && this.tls === null
  }

  #close(): void {
    this.#closingBytes = 0
    this.#pending = null
    // A slow reader gets all of its answer; only then is it waited for no longer.
    this.deadline = this.#deps.deadlines.now + this.#deps.limits.idle_timeout_ms
    this.#socket.end(() => {
      this.deadline = this.#deps.deadlines.now + CLOSING_MS
    })
    this.resumeBody()
    if (this.#hasEnded) this.#socket.destroySoon()
  }

  #onDrain(): void {
    if (this.#closingBytes >= 0) return
    const receiver = this.#exchange ?? this.#tunnel
    if (receiver) {
      this.deadline = Number.POSITIVE_INFINITY
      receiver.onClientDrain()
    } else {
      this.deadline = this.#deps.deadlines.now + this.#deps.limits.client_idle_timeout_ms
      this.#advance()
    }
  }

  /** The client sends nothing more. */
  #onEnd(): void {
    this.#hasEnded = true
    if (this.#tunnel) this.#tunnel.onClientEnd()
    else if (!this.#exchange) this.#socket.destroySoon()
    else if (!this.isRequestRead) this.destroy()
  }

  #onClose(): void {
    this.#reads.readShared(false)
    this.#deps.deadlines.forget(this)
    this.#deps.onClientClosed(this)
    const receiver = this.#exchange ?? this.#tunnel
    this.#exchange = null
    this.#tunnel = null
    receiver?.onClientGone()
  }
}

const MAPPED = '::ffff:'

/** An IPv4 address that arrived on an IPv6 socket, as itself. */
function plainAddress(address: string): string {
  return address.startsWith(MAPPED) && address.includes('.') ? address.slice(MAPPED.length) : address
}
