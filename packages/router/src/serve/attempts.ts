/**
 * Where one request is sent: a first attempt, and at most one more, after it or beside it.
 *
 *     start ──▶ attempting ──(head of an answer)──▶ won
 *                 │  ▲  └──(nothing came for `hedge_after_ms`)──▶ two attempting ──(head of an answer)──▶ won
 *                 │  └──(failed, may be sent again: once)──┐           │
 *                 ├────────────────────────────────────────┘           └──(one failed)──▶ attempting
 *                 └──(failed)──▶ refused
 *
 * When a second attempt is made after the first is told in decision/second-attempt.ts, when beside it in
 * decision/hedging.ts. Of two that are under way the first whose answer begins is the request's; the other is dropped
 * with its connection, and says nothing about its cell. An answer by which a cell says that it could not serve does not
 * win: the other one is waited for.
 *
 * The line between "nothing sent" and "something sent" is what makes retries safe: nothing is written before the
 * connection stands. A connection that was kept stands already, so whatever goes wrong on one counts as sent: the cell
 * may have read the request before it closed.
 */
import {
  type CellTarget,
  type MatchedRoute,
  matchRoute,
  namesStrangeCell,
  type Wish,
} from '@cellplane/core/data-plane'
import type { Cell } from '../cells/cell.ts'
import { monotonicNow } from '../clock.ts'
import { admitAtCell } from '../decision/admission.ts'
import type { BrokenRequest } from '../decision/crash-watch.ts'
import { mayHedge, pickHedgeTarget } from '../decision/hedging.ts'
import type { RoutingView } from '../decision/routing-view.ts'
import { isUnserved, MISDIRECTED, pickSecondTarget, takeRetry } from '../decision/second-attempt.ts'
import { linesTo, shardIn, type Tenant, type TenantShard } from '../decision/tenants.ts'
import type { ResponseScan } from '../http/response-scan.ts'
import { Attempt, type Contest } from './attempt.ts'
import type { CellFailure } from './cell-connection.ts'
import { formatCellRequest } from './cell-request.ts'
import type { ServeDeps } from './deps.ts'
import type { Exchange } from './exchange.ts'
import { explainFailure, type FailureReason } from './failure.ts'
import { draw, pickCell } from './pick-cell.ts'
import { formatRedirect } from './redirect.ts'
import type { Refusal } from './refusal.ts'

const CONTINUE = 'HTTP/1.1 100 Continue\r\n\r\n'

export class Attempts implements Contest {
  /** The last one that it was meant for. */
  cell: Cell | null = null
  /** The one whose answer is waited for, or that has won; of two, the one that was made first. */
  current: Attempt | null = null
  readonly #deps: ServeDeps
  readonly #exchange: Exchange
  readonly #tenant: Tenant
  #view!: RoutingView
  #route!: MatchedRoute
  #count = 0
  #hasAwaitedBase = false
  #hedge: Attempt | null = null
  #hedgeTimer: NodeJS.Timeout | null = null
  /** What the first attempt's end may say about the tenant. */
  #broken: BrokenRequest | null = null

  constructor(deps: ServeDeps, exchange: Exchange, tenant: Tenant) {
    this.#deps = deps
    this.#exchange = exchange
    this.#tenant = tenant
  }

  /**
   * Sends it where `view` says, for the first time, or the second after a misdirected one. What it has to write waits for
   * `flush`.
   */
  start(view: RoutingView, now: number): void {
    const { method, path } = this.#exchange.head
    this.#view = view
    this.#route = matchRoute(view.routes, method, path)
    if (this.#count === 0) {
      const coming = this.#comingBase()
      return coming ? this.#exchange.routeAgainAfter(coming) : this.#startFirst(now)
    }
    const target = this.#pick()
    if (target) this.#attemptAgain(target)
  }

  /** The base that may know the cell which the request names, if one is under way; not waited for twice. */
  #comingBase(): Promise<void> | null {
    if (this.#hasAwaitedBase || !this.#view.isBaseDue) return null
    if (!namesStrangeCell(this.#view.snapshot, this.#shard(), this.#wish())) return null
    this.#hasAwaitedBase = true
    return this.#deps.baseWaits.untilNext(this.#view, this.#tenant.key)
  }

  /** The first attempt, or the answer that makes it needless. */
  #startFirst(now: number): void {
    const { head, identity } = this.#exchange
    this.#tenant.retryBudget?.request(now)
    const target = this.#pick()
    if (!target) return
    if (this.#route.delivery === 'redirect') {
      const redirect = formatRedirect(this.#shard(), this.#tenant, this.#wish(), target, head, identity)
      if (redirect) {
        this.cell = this.#view.cells[target.index]!
        return this.#exchange.answerItself(redirect)
      }
    }
    this.#view.cells[target.index]!.retryBudget.request(now)
    this.#begin(target, now)
  }

  /** Writes what was gathered. */
  flush(): void {
    const { body, client } = this.#exchange
    if (this.current?.flush() === false && !body.isDone) client.pauseBody()
  }

  /** Gives up whatever is under way. */
  drop(): void {
    this.#dropHedge()
    this.current?.drop()
    this.#forget()
  }

  /** The one that won has come to its end. */
  end(): void {
    this.current?.end()
    this.#forget()
  }

  #forget(): void {
    this.current = null
    this.#exchange.body.stopSending()
  }

  #shard(): TenantShard {
    return shardIn(this.#view, this.#tenant)
  }

  #wish(): Wish {
    const { method, wantedCell, hasIdempotencyKey } = this.#exchange.head
    return { method, route: this.#route, wantedCell, hasIdempotencyKey }
  }

  /** By the current view; refuses when there is no cell to go to. */
  #pick(): CellTarget | null {
    const target = pickCell(this.#tenant, this.#shard(), this.#wish(), draw())
    if ('kind' in target) return target
    this.#exchange.refuse(target)
    return null
  }

  #begin(target: CellTarget, now: number): void {
    const { head, body, client } = this.#exchange
    const cell = this.#view.cells[target.index]!
    this.cell = cell
    const nth = this.#count++
    if (!admitAtCell(cell, this.#route, head, now)) return this.#onFailed(cell, target, 'full', 'nothing')
    const attempt = new Attempt(this.#deps, cell, target, this.#tenant, this, this.#exchange, nth, now)
    this.current = attempt
    const { hedgeAfterMs } = this.#route
    if (hedgeAfterMs > 0 && nth === 0 && mayHedge(this.#route, head, target)) this.#awaitHedge(hedgeAfterMs)
    if (attempt.connection.isConnected) this.#send(attempt)
    // No more of the body than has come: it would be held for as long as the cell takes to answer the call.
    else if (!body.isDone) client.pauseBody()
  }

  onConnected(attempt: Attempt): void {
    this.#send(attempt)
    if (!attempt.flush() && !this.#exchange.body.isDone) this.#exchange.client.pauseBody()
  }

  #send(attempt: Attempt): void {
    const { cell, connection, nth } = attempt
    const { head, identity, client, body } = this.#exchange
    const policy = this.#deps.clientHeaders.forwarded
    const lines = linesTo(cell, this.#tenant, this.#shard())
    attempt.isSent = true
    attempt.gather(formatCellRequest({ head, identity, client, policy }, { connection, lines, attempt: nth }))
    attempt.expectAnswer()
    if (head.expectsContinue && !body.isDone && body.isEmpty) client.write(CONTINUE)
    attempt.gather(body.beginSending())
    if (!body.isDone) client.resumeBody()
  }

  // ── A hedge ──

  #awaitHedge(afterMs: number): void {
    this.#hedgeTimer = setTimeout(() => {
      this.#hedgeTimer = null
      try {
        this.#hedgeIfSlow()
      } catch (error) {
        this.#exchange.onDefect(error as Error)
      }
    }, afterMs)
  }

  #hedgeIfSlow(): void {
    const first = this.current
    if (!first || first.connection.hasAnswerBegun || this.#deps.crashes.isSuspect(this.#tenant)) return
    const now = monotonicNow()
    const target = pickHedgeTarget(this.#shard(), first.target, this.#route, draw(), now)
    if (!target || !takeRetry(this.#tenant, first.cell, now)) return
    const cell = this.#view.cells[target.index]!
    // The pick saw the room at this same moment, so what the budgets gave is used.
    if (!admitAtCell(cell, this.#route, this.#exchange.head, now)) return
    cell.counters.hedges++
    const nth = this.#count++
    const hedge = new Attempt(this.#deps, cell, target, this.#tenant, this, this.#exchange, nth, now)
    this.#hedge = hedge
    if (hedge.connection.isConnected) this.onConnected(hedge)
  }

  #dropHedge(): void {
    if (this.#hedgeTimer) clearTimeout(this.#hedgeTimer)
    this.#hedgeTimer = null
    this.#hedge?.drop()
    this.#hedge = null
  }

  /** One is out of the contest. True when there is another one, which is from now on the only one. */
  #leave(attempt: Attempt): boolean {
    const hedge = this.#hedge
    this.#hedge = null
    if (attempt === hedge) return true
    if (this.#hedgeTimer) clearTimeout(this.#hedgeTimer)
    this.#hedgeTimer = null
    if (!hedge) {
      this.#forget()
      return false
    }
    this.current = hedge
    this.cell = hedge.cell
    return true
  }

  // ── What becomes of an attempt ──

  onAttemptTimeout(attempt: Attempt): void {
    const { connection, isSent } = attempt
    const isClientSlow = isSent && !this.#exchange.body.isDone && !connection.isFull
    connection.destroy()
    this.onAttemptFailed(attempt, !isSent ? 'connect' : isClientSlow ? 'client-slow' : 'timeout')
  }

  onAttemptFailed(attempt: Attempt, why: FailureReason): void {
    const { cells, crashes, traffic } = this.#deps
    const { cell, target, connection, isSent } = attempt
    attempt.end()
    const isContested = this.#leave(attempt)
    if (why === 'local') traffic.countLocalFailure(connection.localFailure!)
    else if (why !== 'client-slow') cells.countFailure(attempt, why === 'connect')
    this.#broken = crashes.attemptFailed(attempt, this.#tenant, why) ?? this.#broken
    if (isContested) return
    this.#onFailed(cell, target, why, isSent ? 'something' : 'nothing')
    this.#exchange.flushRequest()
  }

  #onFailed(cell: Cell, target: CellTarget, why: FailureReason, sent: 'nothing' | 'something'): void {
    const isFinal = why === 'client-slow' || why === 'local'
    const next = isFinal ? null : this.#secondTarget(cell, target, sent)
    if (next) this.#attemptAgain(next)
    else this.#exchange.refuse(explainFailure(why, sent, cell, target.isNamed, this.#route))
  }

  /** Where to send a second time; null when the outcome of the first attempt stands. */
  #secondTarget(failed: Cell, first: CellTarget, sent: 'nothing' | 'something'): CellTarget | null {
    if (this.#count > 1 || !this.#exchange.body.isReplayable) return null
    const isSuspect = this.#deps.crashes.isSuspect(this.#tenant)
    const second = pickSecondTarget(this.#shard(), first, this.#wish(), sent, isSuspect, draw())
    return second && takeRetry(this.#tenant, failed, monotonicNow()) ? second : null
  }

  #attemptAgain(target: CellTarget): void {
    this.#view.cells[target.index]!.counters.retries++
    this.#begin(target, monotonicNow())
  }

  onSwitch(attempt: Attempt, scan: ResponseScan, text: string): void {
    if (this.#exchange.head.isWebSocket) return this.#exchange.becomeTunnel(attempt, scan, text)
    attempt.connection.destroy()
    this.onAttemptFailed(attempt, 'invalid')
  }

  onAnswerHead(attempt: Attempt, scan: ResponseScan, text: string, hasBody: boolean): void {
    const { status } = scan
    const answeredAt = this.#deps.cells.countAnswer(attempt, status)
    if (this.#broken && status < 500) this.#broken.clear()
    if (status === MISDIRECTED || isUnserved(status)) {
      if (this.#hedge) {
        attempt.drop()
        this.#leave(attempt)
        return
      }
      if (this.#isSentAgain(attempt, status)) return this.#exchange.flushRequest()
    }
    if (attempt === this.#hedge) this.#hedgeWins(attempt)
    else if (this.#hedge || this.#hedgeTimer) this.#dropHedge()
    attempt.win()
    this.#exchange.beginRelay(attempt, scan, text, hasBody, answeredAt)
  }

  #hedgeWins(hedge: Attempt): void {
    hedge.cell.counters.hedgesWon++
    // While there is a hedge, this is the one that it was made beside.
    const first = this.current!
    first.drop()
    this.#leave(first)
  }

  /** What a cell answers that could not serve may be answered by another one instead. */
  #isSentAgain({ cell, target }: Attempt, status: number): boolean {
    if (status !== MISDIRECTED) {
      const next = this.#secondTarget(cell, target, 'something')
      if (!next) return false
      this.drop()
      this.#attemptAgain(next)
      return true
    }
    const mayRepeat = this.#count === 1 && this.#exchange.body.isReplayable
    if (!mayRepeat || !takeRetry(this.#tenant, cell, monotonicNow())) return false
    this.drop()
    this.cell = null
    this.#exchange.refreshRoute()
    return true
  }

  /** The one that won breaks off. Says what became of the request, for a client that has nothing of the answer yet. */
  explainBroken(why: CellFailure): Refusal {
    const attempt = this.current!
    this.#deps.crashes.attemptFailed(attempt, this.#tenant, why)
    return explainFailure(why, 'something', attempt.cell, attempt.target.isNamed, this.#route)
  }
}
