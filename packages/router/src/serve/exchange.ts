/**
 * One request through the router: identify, pick a cell, send, at most once send again, relay the answer.
 *
 *     identifying ──▶ attempting ──(head of the answer)──▶ relaying ──▶ over
 *          │            │  ▲ └──(failed, may be sent again: once)──┐      ▲
 *          ▼            ▼  └───────────────────────────────────────┘      │
 *        refused ─────────────────────────────────────────────────────────┘
 *
 * When a second attempt is made:
 * - Nothing reached the first cell (no connection, or it is full): at another cell of the shard, unless the route is the
 *   home's alone.
 * - The first cell may have had it (broken, timed out, or it answered 502, 503 or 504): at another cell, if core says
 *   that the request may be repeated and its body was kept.
 * - The first cell answered 421: it says that it processed nothing and that this router is behind. The topology is
 *   asked for, the cell is picked anew.
 * A request that names its cell is never sent to another one. Every second attempt needs the budgets' consent.
 *
 * The line between "nothing sent" and "something sent" is what makes retries safe: nothing is written before the
 * connection stands. A connection that was kept stands already, so whatever goes wrong on one counts as sent: the cell
 * may have read the request before it closed.
 *
 * This is the path of every request, so it is written as callbacks of the two connections and not as promises. What can
 * go out in one write (a head and the beginning of its body) is gathered, and flushed when what was read is used up.
 */
import { ENDPOINTS_PATH } from '@cellplane/contract'
import {
  chooseCell,
  createRetryBudget,
  findPartitionKey,
  type MatchedRoute,
  matchRoute,
  mayRetry,
} from '@cellplane/core'
import { type Cell, countDuration } from '../cells/cell.ts'
import { monotonicNow } from '../clock.ts'
import { admitAtCell, admitTenant } from '../decision/admission.ts'
import type { RoutingView } from '../decision/routing-view.ts'
import { pickTarget, type Target } from '../decision/target.ts'
import { linesTo, shardIn, type Tenant } from '../decision/tenants.ts'
import { formatChunk, formatLastChunk } from '../http/chunked-body.ts'
import { type RequestHead, requestView } from '../http/request-head.ts'
import { CHUNKED, type RequestScan } from '../http/request-scan.ts'
import type { ResponseScan } from '../http/response-scan.ts'
import { formatAnswerHead, formatInterimHead, formatSwitchHead } from './answer-head.ts'
import { type AnswerReceiver, CellConnection, type CellFailure } from './cell-connection.ts'
import { formatCellRequest } from './cell-request.ts'
import type { ClientConnection } from './client-connection.ts'
import type { ServeDeps } from './deps.ts'
import { formatEndpoints } from './endpoints.ts'
import { explainFailure, type FailureReason, unavailable } from './failure.ts'
import { formatRefusal, type Refusal } from './refusal.ts'
import { identityOf, type RequestIdentity } from './request-identity.ts'

type CellTarget = Extract<Target, { kind: 'cell' }>

const CONTINUE = 'HTTP/1.1 100 Continue\r\n\r\n'
const MISDIRECTED = 421

/** Statuses by which a cell, or what stands in it, says that it could not serve. A 500 is an answer like another. */
const isUnserved = (status: number) => status === 502 || status === 503 || status === 504

/** 0–254, see `chooseCell`. */
const draw = () => Math.floor(Math.random() * 255)

export class Exchange implements AnswerReceiver {
  readonly isHead: boolean
  readonly #deps: ServeDeps
  readonly #client: ClientConnection
  readonly #head: RequestHead
  readonly #identity: RequestIdentity
  readonly #startedAt = monotonicNow()
  #phase: 'identifying' | 'attempting' | 'relaying' | 'tunnel' | 'over' = 'identifying'
  /** An answer of the router's own that waits until what was read of the request is used up. */
  #refusal: Refusal | null = null

  #view: RoutingView | null = null
  #tenant: Tenant | null = null
  #route: MatchedRoute | null = null
  #target: CellTarget | null = null
  #cell: Cell | null = null
  #connection: CellConnection | null = null
  #attempts = 0
  #attemptStartedAt = 0
  /** Something of the request may have reached the cell of this attempt. */
  #isSent = false

  /** The body as far as it has come, while it is kept: all of it, or nothing. */
  #kept = ''
  #isReplayable = true
  #isBodyDone: boolean
  #trailers = ''
  #toCell = ''

  #status = 0
  #isAnswerChunked = false
  #isClientKept = false
  #toClient = ''

  constructor(deps: ServeDeps, client: ClientConnection, head: RequestHead) {
    this.#deps = deps
    this.#client = client
    this.#head = head
    this.#identity = identityOf(head, deps.clientHeaders.trace)
    this.isHead = head.method === 'HEAD'
    this.#isBodyDone = head.bodyLength === 0
    deps.traffic.begin()
  }

  get isRequestSent(): boolean {
    return this.#isSent && this.#isBodyDone && this.#toCell === ''
  }

  // ── The request ──

  /** To be called once, before the next scan. What it has to write waits for `flushRequest`. */
  start(scan: RequestScan, text: string): void {
    const { traffic, limits, tenants, verifier } = this.#deps
    const view = this.#deps.currentView()
    if (!view) return this.#refuse({ code: 'NO_TOPOLOGY', detail: 'this router does not know the cells yet' })
    if (traffic.inFlight > limits.in_flight_max) {
      return this.#refuse({
        code: 'OVERLOADED',
        detail: 'this router has as many requests under way as it may',
      })
    }
    this.#view = view
    const { base } = view.snapshot
    const found = findPartitionKey(base.partition_key, requestView(scan, text, this.#head))
    switch (found.kind) {
      case 'key':
        return this.#admit(tenants.of(found.key))
      case 'none':
        traffic.countFailOpen()
        return this.#admit(tenants.ofSource(this.#client.source))
      case 'invalid':
        return this.#refuse({ code: 'PARTITION_KEY_INVALID', detail: found.why })
      case 'token': {
        const known = verifier.remembered(found.token, found.claim, base.tokens)
        if (known !== undefined) return this.#admit(tenants.of(known))
        this.#client.pauseBody()
        verifier.verify(found.token, found.claim, base.tokens).then((verdict) => {
          if (this.#phase !== 'identifying') return
          if (verdict.ok) this.#admit(tenants.of(verdict.tenant))
          else this.#refuse(verdict)
          this.flushRequest()
        }, this.#onDefect)
      }
    }
  }

  onBodyData(data: string): void {
    if (this.#phase === 'tunnel') {
      const connection = this.#connection
      if (connection) connection.deadline = this.#deps.deadlines.now + this.#deps.limits.idle_timeout_ms
      if (connection?.write(data) === false) this.#client.pauseBody()
      return
    }
    if (this.#refusal || this.#phase === 'over') return
    if (this.#isReplayable) {
      this.#kept += data
      if (this.#isSent) this.#forgetLargeBody()
    }
    if (!this.#isSent) return
    this.#toCell += this.#frame(data)
    const connection = this.#connection
    if (connection && this.#phase === 'attempting') {
      connection.deadline = this.#deps.deadlines.now + this.#deps.limits.response_timeout_ms
    }
  }

  onBodyEnd(trailers: string): void {
    this.#isBodyDone = true
    this.#trailers = trailers
    if (this.#isSent && this.#head.bodyLength === CHUNKED) this.#toCell += formatLastChunk(trailers)
  }

  /** The client's framing is broken: where the request ends is not known, and what was sent of it is withdrawn. */
  onBodyInvalid(problem: string): void {
    const isUnanswered = this.#phase === 'identifying' || this.#phase === 'attempting'
    this.#dropAttempt()
    if (!isUnanswered) return this.#cut()
    this.#refusal = { code: 'INVALID_REQUEST', detail: `the body of the request was refused: ${problem}` }
    this.flushRequest()
  }

  /** What was read of the request is used up: now is the time to write. */
  flushRequest(): void {
    if (this.#phase === 'over') return
    if (this.#refusal) return this.#answer(formatRefusal(this.#refusal, this.#identity.requestId))
    const text = this.#toCell
    if (text === '' || !this.#connection) return
    this.#toCell = ''
    if (!this.#connection.write(text) && !this.#isBodyDone) this.#client.pauseBody()
  }

  onCellDrain(): void {
    if (this.#isSent) this.#client.resumeBody()
  }

  onClientEnd(): void {
    this.#connection?.end()
  }

  onClientGone(): void {
    if (this.#phase === 'over') return
    this.#dropAttempt()
    this.#leave()
  }

  /** The tenant is known: its limits, its shard, its cell. */
  #admit(tenant: Tenant): void {
    const view = this.#view!
    const { method, path } = this.#head
    this.#tenant = tenant
    if (path === ENDPOINTS_PATH) {
      const endpoints = formatEndpoints(view, tenant, method, this.#identity.requestId)
      return 'code' in endpoints ? this.#refuse(endpoints) : this.#answer(endpoints)
    }
    const now = this.#startedAt
    if (tenant.isTenant && !admitTenant(view, tenant, shardIn(view, tenant), now)) {
      return this.#refuse({
        code: 'TOO_MANY_REQUESTS',
        detail: 'this tenant sends more than its share of a cell',
      })
    }
    this.#route = matchRoute(view.routes, method, path)
    tenant.retryBudget?.request(now)
    const target = this.#pick()
    if (!target) return
    view.cells[target.index]!.retryBudget.request(now)
    this.#attempt(target, now)
  }

  /** By the current view; refuses when there is no cell to go to. */
  #pick(): CellTarget | null {
    const view = this.#view!
    const { method, wantedCell, hasIdempotencyKey } = this.#head
    const wish = { method, route: this.#route!, wantedCell, hasIdempotencyKey }
    const target = pickTarget(shardIn(view, this.#tenant!), wish, draw())
    if (target.kind === 'cell') return target
    this.#refuse(
      target.kind === 'refused'
        ? { code: 'INVALID_REQUEST', detail: target.detail }
        : unavailable(view.cells[target.index]!),
    )
    return null
  }

  // ── An attempt ──

  #attempt(target: CellTarget, now: number): void {
    const { deadlines, limits, cells } = this.#deps
    const cell = this.#view!.cells[target.index]!
    this.#phase = 'attempting'
    this.#target = target
    this.#attempts++
    this.#isSent = false
    if (!admitAtCell(cell, now)) return this.#onAttemptFailed(cell, 'full')
    this.#cell = cell
    this.#attemptStartedAt = now
    cells.begin(cell)
    const kept = cell.pool.take()
    if (kept) {
      kept.use(this)
      this.#connection = kept
      this.#send(kept)
    } else {
      const opened = new CellConnection(cell, this, deadlines, limits.header_bytes_max)
      opened.deadline = deadlines.now + limits.connect_timeout_ms
      this.#connection = opened
      // No more of the body than has come: it would be held for as long as the cell takes to answer the call.
      if (!this.#isBodyDone) this.#client.pauseBody()
    }
  }

  onConnected(): void {
    if (this.#phase !== 'attempting' || !this.#connection) return
    this.#send(this.#connection)
    this.flushRequest()
  }

  #send(connection: CellConnection): void {
    const { deadlines, limits, clientHeaders } = this.#deps
    this.#isSent = true
    const lines = linesTo(this.#cell!, this.#tenant!, shardIn(this.#view!, this.#tenant!))
    this.#toCell = formatCellRequest(
      { head: this.#head, identity: this.#identity, client: this.#client, policy: clientHeaders.forwarded },
      { connection, lines, attempt: this.#attempts - 1 },
    )
    connection.deadline = deadlines.now + limits.response_timeout_ms
    if (this.#kept !== '') this.#toCell += this.#frame(this.#kept)
    if (this.#isBodyDone) {
      if (this.#head.bodyLength === CHUNKED) this.#toCell += formatLastChunk(this.#trailers)
      return
    }
    if (this.#head.expectsContinue && this.#kept === '') this.#client.write(CONTINUE)
    this.#forgetLargeBody()
    this.#client.resumeBody()
  }

  #frame(data: string): string {
    return this.#head.bodyLength === CHUNKED ? formatChunk(data) : data
  }

  /** A body that is larger than what is kept cannot be sent a second time. */
  #forgetLargeBody(): void {
    if (this.#kept.length <= this.#deps.limits.body_retry_bytes_max) return
    this.#isReplayable = false
    this.#kept = ''
  }

  onCellTimeout(): void {
    const connection = this.#connection
    if (!connection) return
    if (this.#phase === 'attempting') {
      const isClientSlow = this.#isSent && !this.#isBodyDone && !connection.isFull
      const why = !this.#isSent ? 'connect' : isClientSlow ? 'client-slow' : 'timeout'
      connection.destroy()
      return this.#onAttemptFailed(this.#cell!, why)
    }
    if (this.#phase === 'relaying') this.#deps.cells.record(this.#cell!, 'error')
    this.#dropAttempt()
    this.#cut()
  }

  onCellFailed(why: CellFailure): void {
    if (this.#phase === 'attempting') return this.#onAttemptFailed(this.#cell!, why)
    // The answer has begun: its end can neither be had nor be made up.
    if (this.#phase === 'relaying') this.#deps.cells.record(this.#cell!, 'error')
    this.#dropAttempt()
    this.#cut()
  }

  #onAttemptFailed(cell: Cell, why: FailureReason): void {
    const { cells } = this.#deps
    const sent = this.#isSent ? 'something' : 'nothing'
    if (this.#cell) this.#endAttempt()
    if (why !== 'full' && why !== 'client-slow') {
      cell.counters.attempts[0]!++
      if (why === 'connect') cell.counters.connectFailures++
      cells.record(cell, why === 'connect' ? 'connect-failure' : 'error')
    }
    const next = why === 'client-slow' ? null : this.#secondTarget(cell, sent)
    if (next) this.#attemptAgain(next)
    else this.#refuse(explainFailure(why, sent, cell, this.#target!.isNamed, this.#route!))
    this.flushRequest()
  }

  /** Another cell of the shard, if the request may go there and the budgets agree. */
  #secondTarget(failed: Cell, sent: 'nothing' | 'something'): CellTarget | null {
    const target = this.#target!
    const view = this.#view!
    const { method, hasIdempotencyKey } = this.#head
    if (this.#attempts > 1 || target.isNamed || !this.#isReplayable) return null
    if (!mayRetry(this.#route!.failover, method, hasIdempotencyKey, sent)) return null
    const index = chooseCell(view.snapshot, target.row, view.fitness, view.inFlight, draw(), target.index)
    return index >= 0 && this.#mayTryAgain(failed) ? { ...target, index } : null
  }

  #mayTryAgain(failed: Cell): boolean {
    const now = monotonicNow()
    const tenant = this.#tenant!
    tenant.retryBudget ??= createRetryBudget()
    return tenant.retryBudget.tryRetry(now) && failed.retryBudget.tryRetry(now)
  }

  #attemptAgain(target: CellTarget): void {
    this.#view!.cells[target.index]!.counters.retries++
    this.#attempt(target, monotonicNow())
  }

  /** The router is behind, says the cell: asks for the topology and picks anew. */
  #redirect(): void {
    this.#client.pauseBody()
    this.#dropAttempt()
    this.#isSent = false
    this.#deps.refreshTopology().then(() => {
      if (this.#phase !== 'attempting') return
      this.#view = this.#deps.currentView() ?? this.#view
      const target = this.#pick()
      if (target) this.#attemptAgain(target)
      this.flushRequest()
    }, this.#onDefect)
  }

  /** Takes the connection away from this attempt, whatever is under way on it. */
  #dropAttempt(): void {
    this.#connection?.destroy()
    if (this.#cell) this.#endAttempt()
  }

  #endAttempt(): void {
    this.#deps.cells.end(this.#cell!)
    this.#cell = null
    this.#connection = null
    this.#toCell = ''
  }

  // ── The answer ──

  onInterim(scan: ResponseScan, text: string): void {
    // The router has answered "continue" itself; HTTP/1.0 knows no interim answers.
    if (scan.status !== 100 && this.#head.minor === 1) this.#client.write(formatInterimHead(scan, text))
  }

  onSwitch(scan: ResponseScan, text: string): void {
    const { deadlines, limits } = this.#deps
    if (!this.#head.isWebSocket) {
      this.#connection!.destroy()
      return this.#onAttemptFailed(this.#cell!, 'invalid')
    }
    this.#countAnswer(101)
    this.#phase = 'tunnel'
    this.#connection!.deadline = deadlines.now + limits.idle_timeout_ms
    this.#client.write(formatSwitchHead(scan, text, this.#cell!.id, this.#identity.requestId))
    this.#client.becomeTunnel()
  }

  onAnswerHead(scan: ResponseScan, text: string, hasBody: boolean): void {
    const cell = this.#cell!
    const { status, bodyLength } = scan
    const { limits, deadlines } = this.#deps
    this.#countAnswer(status)
    if (status === MISDIRECTED && this.#attempts === 1 && this.#isReplayable && this.#mayTryAgain(cell)) {
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
    this.#status = status
    this.#kept = ''
    this.#isReplayable = false
    const isLengthUnknown = hasBody && bodyLength < 0
    this.#isAnswerChunked = isLengthUnknown && this.#head.minor === 1
    // An answer that came before the request was read to its end leaves bytes behind that are no next request.
    this.#isClientKept = this.#mayKeepClient() && (!isLengthUnknown || this.#isAnswerChunked)
    this.#toClient = formatAnswerHead(scan, text, {
      cell: cell.id,
      requestId: this.#identity.requestId,
      isChunked: this.#isAnswerChunked,
      connection: this.#connectionWord(),
    })
    this.#connection!.deadline = deadlines.now + limits.idle_timeout_ms
  }

  onAnswerData(data: string): void {
    const { deadlines, limits } = this.#deps
    this.#toClient += this.#isAnswerChunked ? formatChunk(data) : data
    if (this.#connection) this.#connection.deadline = deadlines.now + limits.idle_timeout_ms
  }

  onAnswerPause(): void {
    if (this.#toClient === '') return
    const text = this.#toClient
    this.#toClient = ''
    if (this.#client.write(text) || !this.#connection) return
    this.#connection.pause()
    // The client has a time limit of its own for as long as it is waited for.
    this.#connection.deadline = Number.POSITIVE_INFINITY
  }

  onClientDrain(): void {
    if (!this.#connection) return
    this.#connection.deadline = this.#deps.deadlines.now + this.#deps.limits.idle_timeout_ms
    this.#connection.resume()
  }

  onAnswerEnd(trailers: string): void {
    if (this.#phase === 'tunnel') {
      this.onAnswerPause()
      return this.#client.end()
    }
    if (this.#isAnswerChunked) this.#toClient += formatLastChunk(trailers)
    if (this.#toClient !== '') this.#client.write(this.#toClient)
    this.#toClient = ''
    this.#connection = null
    this.#endAttempt()
    this.#finish()
  }

  #countAnswer(status: number): void {
    const cell = this.#cell!
    cell.counters.attempts[Math.min(5, (status / 100) | 0)]!++
    const now = monotonicNow()
    countDuration(cell.counters, (now - this.#attemptStartedAt) / 1000)
    this.#deps.cells.record(cell, status >= 500 ? 'error' : 'ok', now)
  }

  // ── The end ──

  #mayKeepClient(): boolean {
    return this.#head.isKeptAlive && this.#client.isRequestRead && !this.#deps.isStopping
  }

  #connectionWord(): string {
    if (!this.#isClientKept) return 'connection: close\r\n'
    return this.#head.minor === 0 ? 'connection: keep-alive\r\n' : ''
  }

  /** The router answers itself, once what was read of the request is used up. */
  #refuse(refusal: Refusal): void {
    this.#deps.traffic.countRefusal(refusal.code)
    this.#refusal = refusal
  }

  #answer({ status, head, body }: { status: number; head: string; body: string }): void {
    this.#status = status
    this.#isClientKept = this.#mayKeepClient()
    this.#client.write(`${head}${this.#connectionWord()}\r\n${this.isHead ? '' : body}`)
    this.#finish()
  }

  #finish(): void {
    const { tenants, accessLog } = this.#deps
    const tenant = this.#tenant
    if (tenant) tenants.count(tenant, this.#refusal !== null || this.#status >= 500)
    const now = monotonicNow()
    if (accessLog.wants(this.#status, now)) {
      accessLog.write({
        ...this.#identity,
        tenant: tenant?.isTenant ? tenant.key : '',
        cell: this.#target ? this.#view!.cells[this.#target.index]!.id : '',
        method: this.#head.method,
        path: this.#head.path,
        status: this.#status,
        durationMs: now - this.#startedAt,
      })
    }
    this.#leave()
    this.#client.onExchangeEnd(this.#isClientKept)
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
    this.#deps.log.error('a request could not be handled; this is a defect of the router', {
      request_id: this.#identity.requestId,
      why: error.stack ?? error.message,
    })
    if (this.#phase === 'over') return
    this.#dropAttempt()
    this.#refuse({ code: 'INTERNAL', detail: 'the router could not handle this' })
    this.flushRequest()
  }
}
