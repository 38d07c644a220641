/**
 * One request through the router: identify, pick a cell, send, at most once send again, relay the answer.
 *
 *     identifying ──▶ attempting ──(head of the answer)──▶ relaying ──▶ over
 *          │            │  ▲ └──(failed, may be sent again: once)──┐      ▲
 *          ▼            ▼  └───────────────────────────────────────┘      │
 *        refused ─────────────────────────────────────────────────────────┘
 *
 * When a second attempt is made is told in decision/second-attempt.ts.
 *
 * The line between "nothing sent" and "something sent" is what makes retries safe: nothing is written before the
 * connection stands. A connection that was kept stands already, so whatever goes wrong on one counts as sent: the cell
 * may have read the request before it closed.
 *
 * This is the path of every request, so it is written as callbacks of the two connections and not as promises. What can
 * go out in one write (a head and the beginning of its body) is gathered, and flushed when what was read is used up.
 */
import { ENDPOINTS_PATH } from '@cellplane/contract'
import { type CellTarget, type MatchedRoute, matchRoute, type Wish } from '@cellplane/core'
import type { Cell } from '../cells/cell.ts'
import { monotonicNow } from '../clock.ts'
import { admitAtCell, admitTenant } from '../decision/admission.ts'
import type { BrokenRequest } from '../decision/crash-watch.ts'
import type { RoutingView } from '../decision/routing-view.ts'
import { isUnserved, MISDIRECTED, pickSecondTarget, takeRetry } from '../decision/second-attempt.ts'
import { linesTo, shardIn, type Tenant, type TenantShard } from '../decision/tenants.ts'
import { type RequestHead, requestView } from '../http/request-head.ts'
import type { RequestScan } from '../http/request-scan.ts'
import type { ResponseScan } from '../http/response-scan.ts'
import { Answer, type OwnAnswer } from './answer.ts'
import { formatInterimHead, formatSwitchHead } from './answer-head.ts'
import { Attempt } from './attempt.ts'
import type { AnswerReceiver, CellFailure } from './cell-connection.ts'
import { formatCellRequest } from './cell-request.ts'
import type { ClientConnection } from './client-connection.ts'
import type { ServeDeps } from './deps.ts'
import { formatEndpoints } from './endpoints.ts'
import { BEYOND_SHARE, explainFailure, type FailureReason } from './failure.ts'
import { type Identified, identify } from './identify.ts'
import { draw, pickCell } from './pick-cell.ts'
import { formatRedirect } from './redirect.ts'
import { formatRefusal, type Refusal } from './refusal.ts'
import { RequestBody } from './request-body.ts'
import { identityOf, type RequestIdentity } from './request-identity.ts'
import { Tunnel } from './tunnel.ts'

const CONTINUE = 'HTTP/1.1 100 Continue\r\n\r\n'

export class Exchange implements AnswerReceiver {
  readonly isHead: boolean
  readonly #deps: ServeDeps
  readonly #client: ClientConnection
  readonly #head: RequestHead
  readonly #identity: RequestIdentity
  readonly #startedAt = monotonicNow()
  #phase: 'identifying' | 'attempting' | 'relaying' | 'over' = 'identifying'
  /** An answer of the router's own, which waits until what was read of the request is used up. */
  #own: OwnAnswer | null = null

  #view: RoutingView | null = null
  #tenant: Tenant | null = null
  #route: MatchedRoute | null = null
  #target: CellTarget | null = null
  #attempt: Attempt | null = null
  #attempts = 0
  /** What the first attempt's end may say about the tenant. */
  #broken: BrokenRequest | null = null
  #answeredAt = 0
  #isAskedToLeave = false
  readonly #body: RequestBody
  readonly #answer: Answer

  constructor(deps: ServeDeps, client: ClientConnection, head: RequestHead) {
    this.#deps = deps
    this.#client = client
    this.#head = head
    this.#identity = identityOf(head, deps.clientHeaders.trace)
    this.isHead = head.method === 'HEAD'
    this.#body = new RequestBody(head.bodyLength, deps.limits.body_retry_bytes_max)
    this.#answer = new Answer(client, head)
    deps.traffic.begin()
  }

  get isRequestSent(): boolean {
    return this.#attempt?.isSent === true && this.#body.isDone && this.#attempt.isFlushed
  }

  // ── The request ──

  /** To be called once, before the next scan. What it has to write waits for `flushRequest`. */
  start(scan: RequestScan, text: string): void {
    const { traffic, limits } = this.#deps
    const view = this.#deps.currentView()
    if (!view) return this.#refuse({ code: 'NO_TOPOLOGY', detail: 'this router does not know the cells yet' })
    if (traffic.inFlight > limits.in_flight_max) {
      return this.#refuse({ code: 'OVERLOADED', detail: 'this router has as many requests as it may' })
    }
    this.#view = view
    const { source, serverName } = this.#client
    const caller = identify(this.#deps, view, requestView(scan, text, this.#head, serverName), source)
    if (!(caller instanceof Promise)) return this.#onIdentified(caller)
    this.#client.pauseBody()
    caller
      .then((identified) => {
        if (this.#phase !== 'identifying') return
        if (this.#body.isDone) this.#client.resumeBody()
        this.#onIdentified(identified)
        this.flushRequest()
      })
      .catch(this.#onDefect)
  }

  onBodyData(data: string): void {
    if (this.#own || this.#phase === 'over') return
    const text = this.#body.add(data)
    const attempt = this.#attempt
    if (!attempt?.isSent) return
    attempt.gather(text)
    if (this.#phase === 'attempting') attempt.expectAnswer()
  }

  /** The same, for bytes that are the client connection's own until it is read again. */
  onBodyBytes(bytes: Buffer): void {
    const attempt = this.#attempt
    if (this.#own || !attempt?.isSent || !this.#body.passesBytes)
      return this.onBodyData(bytes.toString('latin1'))
    if (this.#phase === 'attempting') attempt.expectAnswer()
    if (!attempt.writeBytes(bytes)) this.#client.pauseBody()
  }

  onBodyEnd(trailers: string): void {
    this.#attempt?.gather(this.#body.finish(trailers))
  }

  /** The client's framing is broken: where the request ends is not known, and what was sent of it is withdrawn. */
  onBodyInvalid(problem: string): void {
    const isUnanswered = this.#phase === 'identifying' || this.#phase === 'attempting'
    this.#dropAttempt()
    if (!isUnanswered) return this.#cut()
    this.#refuse({ code: 'INVALID_REQUEST', detail: `the body of the request was refused: ${problem}` })
    this.flushRequest()
  }

  /** What was read of the request is used up: now is the time to write. */
  flushRequest(): void {
    if (this.#phase === 'over') return
    if (this.#own) {
      this.#answer.writeOwn(this.#own, this.#mayKeepClient())
      return this.#finish()
    }
    if (this.#attempt?.flush() === false && !this.#body.isDone) this.#client.pauseBody()
  }

  onCellDrain(): void {
    this.#client.resumeBody()
  }

  onClientGone(): void {
    if (this.#phase === 'over') return
    this.#dropAttempt()
    this.#leave()
  }

  #onIdentified(caller: Identified): void {
    if ('code' in caller) this.#refuse(caller)
    else this.#admit(caller)
  }

  /** The tenant is known: its limits, its shard, its cell. */
  #admit(tenant: Tenant): void {
    const view = this.#view!
    const { method, path } = this.#head
    this.#tenant = tenant
    if (path === ENDPOINTS_PATH) {
      const endpoints = formatEndpoints(view, tenant, method, this.#identity.requestId)
      if ('code' in endpoints) return this.#refuse(endpoints)
      this.#own = endpoints
      return
    }
    const now = this.#startedAt
    if (tenant.isTenant && !admitTenant(view, tenant, this.#shard(), now)) {
      return this.#refuse(BEYOND_SHARE)
    }
    this.#route = matchRoute(view.routes, method, path)
    tenant.retryBudget?.request(now)
    const target = this.#pick()
    if (!target) return
    this.#target = target
    if (this.#route.delivery === 'redirect') {
      this.#own = formatRedirect(this.#shard(), tenant, this.#wish(), target, this.#head, this.#identity)
      if (this.#own) return
    }
    view.cells[target.index]!.retryBudget.request(now)
    this.#begin(target, now)
  }

  #shard(): TenantShard {
    return shardIn(this.#view!, this.#tenant!)
  }

  #wish(): Wish {
    const { method, wantedCell, hasIdempotencyKey } = this.#head
    return { method, route: this.#route!, wantedCell, hasIdempotencyKey }
  }

  /** By the current view; refuses when there is no cell to go to. */
  #pick(): CellTarget | null {
    const target = pickCell(this.#shard(), this.#wish(), draw())
    if ('kind' in target) return target
    this.#refuse(target)
    return null
  }

  // ── An attempt ──

  #begin(target: CellTarget, now: number): void {
    const cell = this.#view!.cells[target.index]!
    this.#phase = 'attempting'
    this.#target = target
    this.#attempts++
    if (!admitAtCell(cell, this.#route!, this.#head, now))
      return this.#onAttemptFailed(cell, 'full', 'nothing')
    this.#attempt = new Attempt(this.#deps, cell, target.row, this, now)
    if (this.#attempt.connection.isConnected) this.#send(this.#attempt)
    // No more of the body than has come: it would be held for as long as the cell takes to answer the call.
    else if (!this.#body.isDone) this.#client.pauseBody()
  }

  onConnected(): void {
    if (this.#phase !== 'attempting' || !this.#attempt) return
    this.#send(this.#attempt)
    this.flushRequest()
  }

  #send(attempt: Attempt): void {
    const { cell, connection } = attempt
    const policy = this.#deps.clientHeaders.forwarded
    const lines = linesTo(cell, this.#tenant!, this.#shard())
    attempt.isSent = true
    attempt.gather(
      formatCellRequest(
        { head: this.#head, identity: this.#identity, client: this.#client, policy },
        { connection, lines, attempt: this.#attempts - 1 },
      ),
    )
    attempt.expectAnswer()
    if (this.#head.expectsContinue && !this.#body.isDone && this.#body.isEmpty) this.#client.write(CONTINUE)
    attempt.gather(this.#body.beginSending())
    if (!this.#body.isDone) this.#client.resumeBody()
  }

  onCellTimeout(): void {
    const attempt = this.#attempt
    if (!attempt) return
    if (this.#phase === 'attempting') {
      const isClientSlow = attempt.isSent && !this.#body.isDone && !attempt.connection.isFull
      attempt.connection.destroy()
      this.#failAttempt(attempt, !attempt.isSent ? 'connect' : isClientSlow ? 'client-slow' : 'timeout')
      return this.flushRequest()
    }
    if (this.#phase === 'relaying') this.#deps.cells.countCut(attempt)
    this.#dropAttempt()
    this.#cut()
  }

  onCellFailed(why: CellFailure): void {
    const attempt = this.#attempt!
    if (this.#phase === 'attempting') {
      this.#failAttempt(attempt, why)
      return this.flushRequest()
    }
    const { cell } = attempt
    this.#deps.cells.countCut(attempt)
    this.#broken = this.#deps.crashes.attemptFailed(attempt, this.#tenant!, why)
    this.#dropAttempt()
    // An answer that has begun can neither be completed nor be made up, unless nothing of it has gone out.
    if (!this.#answer.takeBack()) return this.#cut()
    this.#refuse(explainFailure(why, 'something', cell, this.#target!.isNamed, this.#route!))
    this.flushRequest()
  }

  #failAttempt(attempt: Attempt, why: FailureReason): void {
    this.#endAttempt()
    if (why !== 'client-slow') this.#deps.cells.countFailure(attempt, why === 'connect')
    this.#broken = this.#deps.crashes.attemptFailed(attempt, this.#tenant!, why)
    this.#onAttemptFailed(attempt.cell, why, attempt.isSent ? 'something' : 'nothing')
  }

  #onAttemptFailed(cell: Cell, why: FailureReason, sent: 'nothing' | 'something'): void {
    const next = why === 'client-slow' ? null : this.#secondTarget(cell, sent)
    if (next) this.#attemptAgain(next)
    else this.#refuse(explainFailure(why, sent, cell, this.#target!.isNamed, this.#route!))
  }

  /** Where to send a second time; null when the outcome of the first attempt stands. */
  #secondTarget(failed: Cell, sent: 'nothing' | 'something'): CellTarget | null {
    if (this.#attempts > 1 || !this.#body.isReplayable) return null
    const isSuspect = this.#deps.crashes.isSuspect(this.#tenant!)
    const second = pickSecondTarget(this.#shard(), this.#target!, this.#wish(), sent, isSuspect, draw())
    return second && takeRetry(this.#tenant!, failed, monotonicNow()) ? second : null
  }

  #attemptAgain(target: CellTarget): void {
    this.#view!.cells[target.index]!.counters.retries++
    this.#begin(target, monotonicNow())
  }

  /** The router is behind, says the cell: asks for the topology and picks anew. */
  #redirect(): void {
    this.#client.pauseBody()
    this.#dropAttempt()
    // It is an index of the view that is about to be replaced.
    this.#target = null
    this.#deps
      .refreshTopology()
      .then(() => {
        if (this.#phase !== 'attempting') return
        if (this.#body.isDone) this.#client.resumeBody()
        this.#view = this.#deps.currentView() ?? this.#view
        const target = this.#pick()
        if (target) this.#attemptAgain(target)
        this.flushRequest()
      })
      .catch(this.#onDefect)
  }

  #dropAttempt(): void {
    this.#attempt?.connection.destroy()
    this.#endAttempt()
  }

  #endAttempt(): void {
    this.#attempt?.end()
    this.#attempt = null
    this.#body.stopSending()
  }

  // ── The answer ──

  onInterim(scan: ResponseScan, text: string): void {
    // The router has answered "continue" itself; HTTP/1.0 knows no interim answers.
    if (scan.status !== 100 && this.#head.minor === 1) this.#client.write(formatInterimHead(scan, text))
  }

  onSwitch(scan: ResponseScan, text: string): void {
    const attempt = this.#attempt!
    const { cell, connection } = attempt
    if (!this.#head.isWebSocket) {
      connection.destroy()
      this.#failAttempt(attempt, 'invalid')
      return this.flushRequest()
    }
    this.#answeredAt = this.#deps.cells.countAnswer(attempt, 101)
    const head = formatSwitchHead(scan, text, cell.id, this.#identity.requestId)
    const { traffic } = this.#deps
    const tunnel = new Tunnel(this.#deps, this.#client, connection, head, () => {
      attempt.end()
      traffic.end()
    })
    this.#phase = 'over'
    connection.use(tunnel)
    this.#client.becomeTunnel(tunnel, cell)
  }

  onAnswerHead(scan: ResponseScan, text: string, hasBody: boolean): void {
    const attempt = this.#attempt!
    const { cell } = attempt
    const { status } = scan
    this.#answeredAt = this.#deps.cells.countAnswer(attempt, status)
    if (this.#broken && status < 500) this.#broken.clear()
    if (
      status === MISDIRECTED &&
      this.#attempts === 1 &&
      this.#body.isReplayable &&
      takeRetry(this.#tenant!, cell, monotonicNow())
    ) {
      return this.#redirect()
    }
    if (isUnserved(status)) {
      const next = this.#secondTarget(cell, 'something')
      if (next) {
        this.#dropAttempt()
        this.#attemptAgain(next)
        return this.flushRequest()
      }
    }
    this.#phase = 'relaying'
    this.#body.forget()
    this.#answer.begin(scan, text, hasBody, this.#mayKeepClient(), cell.id, this.#identity.requestId)
    attempt.expectMore()
  }

  onAnswerData(data: string): void {
    this.#answer.add(data)
    this.#attempt?.expectMore()
  }

  onAnswerBytes(bytes: Buffer): void {
    if (!this.#answer.passesBytes) return this.onAnswerData(bytes.toString('latin1'))
    this.#attempt?.expectMore()
    if (!this.#answer.writeBytes(bytes)) this.#waitForClient()
  }

  onAnswerPause(): void {
    this.#leaveIfAsked()
    if (!this.#answer.flush()) this.#waitForClient()
  }

  #waitForClient(): void {
    if (!this.#attempt) return
    this.#attempt.connection.pause()
    // The client has a time limit of its own for as long as it is waited for.
    this.#attempt.connection.deadline = Number.POSITIVE_INFINITY
  }

  /**
   * This process stops, or the cell drains. An event stream, which has no end of its own, is ended where that does no
   * harm; whatever has one is waited for.
   */
  askToLeave(): void {
    if (this.#isAskedToLeave) return
    this.#isAskedToLeave = true
    this.#leaveIfAsked()
  }

  /** Where it is under way. */
  get cell(): Cell | undefined {
    return this.#attempt?.cell
  }

  #leaveIfAsked(): void {
    if (!this.#isAskedToLeave || this.#phase !== 'relaying' || !this.#answer.mayEndHere) return
    this.#answer.finish('')
    this.#dropAttempt()
    this.#finish()
  }

  onClientDrain(): void {
    if (this.#phase === 'relaying') this.#attempt?.expectMore()
    this.#attempt?.connection.resume()
  }

  onAnswerEnd(trailers: string): void {
    this.#answer.finish(trailers)
    if (this.#attempt) this.#deps.cells.countWhole(this.#attempt.cell, this.#answer.status, this.#answeredAt)
    this.#endAttempt()
    this.#finish()
  }

  // ── The end ──

  /** An answer that came before the request was read to its end leaves bytes behind that are no next request. */
  #mayKeepClient(): boolean {
    return this.#client.isRequestRead && !this.#deps.isStopping
  }

  /** The router answers itself, once what was read of the request is used up. */
  #refuse(refusal: Refusal): void {
    this.#deps.traffic.countRefusal(refusal.code)
    this.#own = formatRefusal(refusal, this.#identity.requestId)
  }

  #finish(): void {
    const { tenants, accessLog } = this.#deps
    const { status, isClientKept } = this.#answer
    const tenant = this.#tenant
    if (tenant) tenants.count(tenant, status >= (this.#own ? 400 : 500))
    // The end of a long answer is not worth another look at the clock: what is compared is the head's time.
    const now = this.#answeredAt || monotonicNow()
    if (accessLog.wants(status, now)) {
      const cell = this.#target && this.#view!.cells[this.#target.index]!
      const durationMs = now - this.#startedAt
      accessLog.write({ identity: this.#identity, head: this.#head, tenant, cell, status, durationMs })
    }
    this.#leave()
    this.#client.onExchangeEnd(isClientKept, !this.#head.isKeptAlive)
  }

  /** Ends without an answer, or in the middle of one: the client sees its connection cut. */
  #cut(): void {
    this.#leave()
    this.#client.destroy()
  }

  #leave(): void {
    this.#phase = 'over'
    this.#deps.traffic.end()
  }

  readonly #onDefect = (error: Error): void => {
    this.#deps.onDefect(error)
    if (this.#phase === 'over') return
    this.#dropAttempt()
    this.#refuse({ code: 'INTERNAL', detail: 'the router could not handle this' })
    this.flushRequest()
  }
}
