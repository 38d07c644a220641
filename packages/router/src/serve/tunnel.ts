/**
 * A WebSocket after its 101: bytes both ways, each side read only as fast as the other takes it.
 *
 * Either side may end its own direction first. When the cell has closed, the client gets what was written and is closed;
 * when the client has, the cell's connection is dropped. Silence both ways has the limit of all idle connections.
 *
 * Told to leave, it says goodbye to the client with a close frame, at the next boundary between two frames of the cell,
 * and gives it a moment to close.
 */
import { CLOSE_GOING_AWAY, createFrameBoundary } from '../http/stream-boundary.ts'
import type { AnswerReceiver, CellConnection } from './cell-connection.ts'
import type { ClientConnection } from './client-connection.ts'
import type { ServeDeps } from './deps.ts'

export class Tunnel implements AnswerReceiver {
  readonly isHead = false
  /** Never: the connection is of no other use. */
  readonly isRequestSent = false
  readonly #deps: ServeDeps
  readonly #client: ClientConnection
  readonly #connection: CellConnection
  readonly #onOver: () => void
  readonly #frames = createFrameBoundary()
  #toClient: string
  #isOver = false
  #isAskedToLeave = false
  #hasSaidGoodbye = false

  /** `head` is the answer that switches protocols. `onOver` is called once. */
  constructor(
    deps: ServeDeps,
    client: ClientConnection,
    connection: CellConnection,
    head: string,
    onOver: () => void,
  ) {
    this.#deps = deps
    this.#client = client
    this.#connection = connection
    this.#toClient = head
    this.#onOver = onOver
    this.#stayAwake()
  }

  askToLeave(): void {
    this.#isAskedToLeave = true
    this.#leaveIfAsked()
  }

  onClientData(data: string): void {
    this.#stayAwake()
    if (!this.#connection.write(data)) this.#client.pauseBody()
  }

  onClientDrain(): void {
    this.#stayAwake()
    // It was a slow reader until now; the moment that it has to close begins when it can have read the goodbye.
    if (this.#hasSaidGoodbye) this.#awaitClose()
    this.#connection.resume()
  }

  onClientEnd(): void {
    this.#connection.end()
  }

  onClientGone(): void {
    this.#connection.destroy()
    this.#end()
  }

  onAnswerData(data: string): void {
    // What a cell sends after the client was told to go is no use to it.
    if (this.#hasSaidGoodbye) return
    this.#frames.feed(data)
    this.#toClient += data
  }

  onAnswerBytes(bytes: Buffer): void {
    this.onAnswerData(bytes.toString('latin1'))
  }

  onAnswerPause(): void {
    this.#stayAwake()
    this.#leaveIfAsked()
    if (this.#flush()) return
    this.#connection.pause()
    // The client has a time limit of its own for as long as it is waited for.
    this.#connection.deadline = Number.POSITIVE_INFINITY
  }

  onAnswerEnd(): void {
    this.#flush()
    this.#client.end()
  }

  onCellDrain(): void {
    this.#client.resumeBody()
  }

  onCellTimeout(): void {
    this.#connection.destroy()
    this.onCellFailed()
  }

  onCellFailed(): void {
    this.#flush()
    this.#end()
    this.#client.destroySoon()
  }

  // A tunnel begins after these.
  onConnected(): void {}
  onInterim(): void {}
  onSwitch(): void {}
  onAnswerHead(): void {}

  #stayAwake(): void {
    this.#connection.deadline = this.#deps.deadlines.now + this.#deps.limits.idle_timeout_ms
  }

  #leaveIfAsked(): void {
    if (!this.#isAskedToLeave || this.#hasSaidGoodbye || !this.#frames.isAtBoundary) return
    this.#hasSaidGoodbye = true
    this.#toClient += CLOSE_GOING_AWAY
    this.#flush()
    this.#awaitClose()
  }

  #awaitClose(): void {
    this.#client.deadline = this.#deps.deadlines.now + this.#deps.limits.stream_leave_ms
  }

  #flush(): boolean {
    if (this.#toClient === '') return true
    const text = this.#toClient
    this.#toClient = ''
    return this.#client.write(text)
  }

  #end(): void {
    if (this.#isOver) return
    this.#isOver = true
    this.#onOver()
  }
}
