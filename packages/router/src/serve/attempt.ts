/**
 * One attempt to have a request answered by one cell: the connection that it has, what is gathered for it, and the cell's
 * account of it, which is opened and closed exactly once.
 *
 * Nothing is written before the connection stands; from the first write on the cell may have had something.
 */
import type { Cell } from '../cells/cell.ts'
import { type AnswerReceiver, CellConnection } from './cell-connection.ts'
import type { ServeDeps } from './deps.ts'

export class Attempt {
  readonly cell: Cell
  /** Whose request it is, as far as outlier detection has to tell: its row. */
  readonly caller: number
  /** Ms, on the router's clock. */
  readonly startedAt: number
  readonly connection: CellConnection
  /** Something of the request may have reached the cell. */
  isSent = false
  readonly #deps: ServeDeps
  #gathered = ''

  /** Takes a kept connection of the cell, or opens one; `connection.isConnected` tells which. */
  constructor(deps: ServeDeps, cell: Cell, caller: number, receiver: AnswerReceiver, startedAt: number) {
    this.#deps = deps
    this.cell = cell
    this.caller = caller
    this.startedAt = startedAt
    deps.cells.begin(cell)
    const kept = cell.pool.take()
    kept?.use(receiver)
    this.connection = kept ?? new CellConnection(deps, cell, receiver)
    if (!kept) this.connection.deadline = deps.deadlines.now + deps.limits.connect_timeout_ms
  }

  /** All that was gathered has been written. */
  get isFlushed(): boolean {
    return this.#gathered === ''
  }

  /** The time for an answer begins anew: the request is moving. */
  expectAnswer(): void {
    this.connection.deadline = this.#deps.deadlines.now + this.#deps.limits.response_timeout_ms
  }

  /** The time for more of the answer begins anew. */
  expectMore(): void {
    this.connection.deadline = this.#deps.deadlines.now + this.#deps.limits.idle_timeout_ms
  }

  gather(text: string): void {
    this.#gathered += text
  }

  /** Writes what was gathered. False when the cell does not take it as fast. */
  flush(): boolean {
    if (this.#gathered === '') return true
    const text = this.#gathered
    this.#gathered = ''
    return this.connection.write(text)
  }

  /** Writes bytes that are the writer's own until this returns true or the receiver hears `onCellDrain`. */
  writeBytes(bytes: Buffer): boolean {
    this.flush()
    return this.connection.writeBytes(bytes)
  }

  /** The exchange with the cell is over, and its connection no longer this attempt's. */
  end(): void {
    this.#deps.cells.end(this.cell)
  }
}
