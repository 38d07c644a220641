/**
 * One attempt to have a request answered by one cell: the connection that it has, with the parser of its answer, what is
 * gathered for it, and the cell's account of it, which is opened and closed exactly once.
 *
 *     contending ──(head of the answer, and it is the one)──▶ relaying ──▶ ended
 *         └──────────────(failed, or dropped)────────────────────┴────────▶
 *
 * - **contending**: there may be another one beside it. What comes is the **contest**'s to judge.
 * - **relaying**: its answer is the request's. What comes goes to the **relay**.
 * - **dropped**: its connection is closed, and nothing more is heard of it.
 *
 * Nothing is written before the connection stands; from the first write on the cell may have had something.
 */
import type { CellTarget } from '@cellplane/core/data-plane'
import type { Cell } from '../cells/cell.ts'
import type { Tenant } from '../decision/tenants.ts'
import type { ResponseScan } from '../http/response-scan.ts'
import { type AnswerReceiver, CellConnection, type CellFailure } from './cell-connection.ts'
import type { ServeDeps } from './deps.ts'

/** Whoever judges between attempts. */
export type Contest = {
  onConnected(attempt: Attempt): void
  onSwitch(attempt: Attempt, scan: ResponseScan, text: string): void
  /** Calls `attempt.win()` when its answer is to be relayed, or drops it. */
  onAnswerHead(attempt: Attempt, scan: ResponseScan, text: string, hasBody: boolean): void
  onAttemptTimeout(attempt: Attempt): void
  onAttemptFailed(attempt: Attempt, why: CellFailure): void
}

/** Whoever passes the answer on. */
export type Relay = {
  readonly isHead: boolean
  /** All of the request has come. */
  readonly isRequestRead: boolean
  onInterim(scan: ResponseScan, text: string): void
  onAnswerData(data: string): void
  onAnswerBytes(bytes: Buffer): void
  onAnswerEnd(trailers: string): void
  onAnswerPause(): void
  onCellDrain(): void
  /** An answer that has begun goes no further; null: it stopped coming. */
  onAnswerBroken(why: CellFailure | null): void
}

export class Attempt implements AnswerReceiver {
  readonly cell: Cell
  readonly target: CellTarget
  readonly tenant: Tenant
  /** How many there were before it. */
  readonly nth: number
  /** Ms, on the router's clock. */
  readonly startedAt: number
  readonly connection: CellConnection
  /** Something of the request may have reached the cell. */
  isSent = false
  hasAnswer = false
  readonly #deps: ServeDeps
  readonly #contest: Contest
  readonly #relay: Relay
  #hasWon = false
  #gathered = ''

  /** Takes a kept connection of the cell, or opens one; `connection.isConnected` tells which. */
  constructor(
    deps: ServeDeps,
    cell: Cell,
    target: CellTarget,
    tenant: Tenant,
    contest: Contest,
    relay: Relay,
    nth: number,
    startedAt: number,
  ) {
    this.#deps = deps
    this.cell = cell
    this.target = target
    this.tenant = tenant
    this.#contest = contest
    this.#relay = relay
    this.nth = nth
    this.startedAt = startedAt
    deps.cells.begin(cell)
    const kept = cell.pool.take()
    kept?.use(this)
    this.connection = kept ?? new CellConnection(deps, cell, this)
    if (!kept) this.connection.deadline = deps.deadlines.now + deps.limits.connect_timeout_ms
  }

  /** Whose request it is, as far as outlier detection has to tell: its row. */
  get caller(): number {
    return this.target.row
  }

  get isHead(): boolean {
    return this.#relay.isHead
  }

  get isRequestSent(): boolean {
    return this.isSent && this.#relay.isRequestRead && this.#gathered === ''
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

  /** Writes bytes that are the writer's own until this returns true or the relay hears `onCellDrain`. */
  writeBytes(bytes: Buffer): boolean {
    this.flush()
    return this.connection.writeBytes(bytes)
  }

  /** Its answer is the request's. */
  win(): void {
    this.#hasWon = true
    this.expectMore()
  }

  /** The exchange with the cell is over, and its connection no longer this attempt's. */
  end(): void {
    this.#deps.cells.end(this)
  }

  /** Ends without waiting for anything. The connection is of no further use: an answer may still come on it. */
  drop(): void {
    this.connection.destroy()
    this.end()
  }

  // ── What the connection has to say ──

  onConnected(): void {
    this.#contest.onConnected(this)
  }

  onInterim(scan: ResponseScan, text: string): void {
    this.#relay.onInterim(scan, text)
  }

  onSwitch(scan: ResponseScan, text: string): void {
    this.#contest.onSwitch(this, scan, text)
  }

  onAnswerHead(scan: ResponseScan, text: string, hasBody: boolean): void {
    this.#contest.onAnswerHead(this, scan, text, hasBody)
  }

  onAnswerData(data: string): void {
    this.#relay.onAnswerData(data)
  }

  onAnswerBytes(bytes: Buffer): void {
    this.#relay.onAnswerBytes(bytes)
  }

  onAnswerEnd(trailers: string): void {
    this.#relay.onAnswerEnd(trailers)
  }

  onAnswerPause(): void {
    this.#relay.onAnswerPause()
  }

  onCellDrain(): void {
    this.#relay.onCellDrain()
  }

  onCellTimeout(): void {
    if (this.#hasWon) this.#relay.onAnswerBroken(null)
    else this.#contest.onAttemptTimeout(this)
  }

  onCellFailed(why: CellFailure): void {
    if (this.#hasWon) this.#relay.onAnswerBroken(why)
    else this.#contest.onAttemptFailed(this, why)
  }
}
