/**
 * One request through the router, from the client's side: identify, wait if the tenant is held, have it attempted, relay
 * the answer.
 *
 *     identifying ──▶ attempting ──(head of the answer)──▶ relaying ──▶ over
 *        │  │           ▲    │                                           ▲
 *        │  └──▶ held ──┘    │                                           │
 *        ▼         │         ▼                                           │
 *        refused ◀─┴─────────┴───────────────────────────────────────────┘
 *
 * Which cells it is sent to, once or twice, is told in attempts.ts; when it is held, in holds.ts.
 *
 * This is the path of every request, so it is written as callbacks of the two connections and not as promises. What can
 * go out in one write (a head and the beginning of its body) is gathered, and flushed when what was read is used up.
 */
import { ENDPOINTS_PATH } from '@cellplane/contract'
import type { Cell } from '../cells/cell.ts'
import { monotonicNow } from '../clock.ts'
import { admitTenant } from '../decision/admission.ts'
import type { RoutingView } from '../decision/routing-view.ts'
import { shardIn, type Tenant } from '../decision/tenants.ts'
import { type RequestHead, requestView } from '../http/request-head.ts'
import type { RequestScan } from '../http/request-scan.ts'
import type { ResponseScan } from '../http/response-scan.ts'
import { isFailure } from '../tracing/tracing.ts'
import { Answer, type OwnAnswer } from './answer.ts'
import { formatInterimHead, formatSwitchHead } from './answer-head.ts'
import type { Attempt, Relay } from './attempt.ts'
import { Attempts } from './attempts.ts'
import type { CellFailure } from './cell-connection.ts'
import type { ClientConnection } from './client-connection.ts'
import type { ServeDeps } from './deps.ts'
import { formatEndpoints } from './endpoints.ts'
import { BEYOND_SHARE } from './failure.ts'
import { HELD, type HeldRequest, type Hold } from './holds.ts'
import { type Identified, identify } from './identify.ts'
import { formatRefusal, type Refusal } from './refusal.ts'
import { RequestBody } from './request-body.ts'
import { identityOf, type RequestIdentity, spanIdOf, traceIdOf } from './request-identity.ts'
import { Tunnel } from './tunnel.ts'

export class Exchange implements Relay, HeldRequest {
  readonly client: ClientConnection
  readonly head: RequestHead
  readonly identity: RequestIdentity
  readonly body: RequestBody
  readonly isHead: boolean
  readonly #deps: ServeDeps
  readonly #startedAt = monotonicNow()
  #phase: 'identifying' | 'held' | 'attempting' | 'relaying' | 'over' = 'identifying'
  /** An answer of the router's own, which waits until what was read of the request is used up. */
  #own: OwnAnswer | null = null

  #view: RoutingView | null = null
  #tenant: Tenant | null = null
  #attempts: Attempts | null = null
  #hold: Hold | null = null
  /** It was refused for what is not the tenant's doing: its refusals may have a tenant quarantined. */
  #isBlameless = false
  #answeredAt = 0
  #isAskedToLeave = false
  readonly #answer: Answer

  constructor(deps: ServeDeps, client: ClientConnection, head: RequestHead) {
    this.#deps = deps
    this.client = client
    this.head = head
    this.identity = identityOf(head, deps.clientHeaders.trace, deps.tracing)
    this.isHead = head.method === 'HEAD'
    this.body = new RequestBody(head.bodyLength, deps.limits.body_retry_bytes_max)
    this.#answer = new Answer(client, head)
    deps.traffic.begin()
  }

  get isRequestRead(): boolean {
    return this.body.isDone
  }

  // ── The request ──

  /** To be called once, before the next scan. What it has to write waits for `flushRequest`. */
  start(scan: RequestScan, text: string): void {
    const { traffic, limits } = this.#deps
    const view = this.#deps.currentView()
    if (!view) return this.refuse({ code: 'NO_TOPOLOGY', detail: 'this router does not know the cells yet' })
    if (traffic.inFlight > limits.in_flight_max) {
      return this.refuse({ code: 'OVERLOADED', detail: 'this router has as many requests as it may' })
    }
    this.#view = view
    const { source, serverName } = this.client
    const caller = identify(this.#deps, view, requestView(scan, text, this.head, serverName), source)
    if (!(caller instanceof Promise)) return this.#onIdentified(caller)
    this.client.pauseBody()
    caller
      .then((identified) => {
        if (this.#phase !== 'identifying') return
        if (this.body.isDone) this.client.resumeBody()
        this.#onIdentified(identified)
        this.flushRequest()
      })
      .catch(this.onDefect)
  }

  onBodyData(data: string): void {
    if (this.#own || this.#phase === 'over') return
    if (this.#phase === 'held') return this.#keepWhileHeld(data)
    const text = this.body.add(data)
    const attempt = this.#attempts?.current
    if (!attempt?.isSent) return
    attempt.gather(text)
    if (this.#phase === 'attempting') attempt.expectAnswer()
  }

  /** The same, for bytes that are the client connection's own until it is read again. */
  onBodyBytes(bytes: Buffer): void {
    const attempt = this.#attempts?.current
    if (this.#own || !attempt?.isSent || !this.body.passesBytes)
      return this.onBodyData(bytes.toString('latin1'))
    if (this.#phase === 'attempting') attempt.expectAnswer()
    if (!attempt.writeBytes(bytes)) this.client.pauseBody()
  }

  onBodyEnd(trailers: string): void {
    const end = this.body.finish(trailers)
    this.#attempts?.current?.gather(end)
  }

  /** The client's framing is broken: where the request ends is not known, and what was sent of it is withdrawn. */
  onBodyInvalid(problem: string): void {
    const isUnanswered = this.#phase !== 'relaying' && this.#phase !== 'over'
    this.#attempts?.drop()
    if (!isUnanswered) return this.#cut()
    this.refuse({ code: 'INVALID_REQUEST', detail: `the body of the request was refused: ${problem}` })
    this.flushRequest()
  }

  /** What was read of the request is used up: now is the time to write. */
  flushRequest(): void {
    if (this.#phase === 'over') return
    if (!this.#own) return this.#attempts?.flush()
    this.#answer.writeOwn(this.#own, this.#mayKeepClient())
    this.#finish()
  }

  onCellDrain(): void {
    this.client.resumeBody()
  }

  onClientGone(): void {
    if (this.#phase === 'over') return
    this.#attempts?.drop()
    this.#leave()
  }

  #onIdentified(caller: Identified): void {
    if ('code' in caller) this.refuse(caller)
    else this.#admit(caller)
  }

  /** The tenant is known: its limits, its shard, its cell. */
  #admit(tenant: Tenant): void {
    const view = this.#view!
    const { method, path } = this.head
    this.#tenant = tenant
    if (path === ENDPOINTS_PATH) {
      const endpoints = formatEndpoints(view, tenant, method, this.identity.requestId)
      if ('code' in endpoints) return this.refuse(endpoints)
      this.#own = endpoints
      return
    }
    const now = this.#startedAt
    if (tenant.isTenant && !admitTenant(view, tenant, shardIn(view, tenant), now)) {
      return this.refuse(BEYOND_SHARE)
    }
    this.#attempts = new Attempts(this.#deps, this, tenant)
    this.#route(view, now)
  }

  /** Sends it where the view says, unless its tenant's home is being switched: then it waits. */
  #route(view: RoutingView, now: number): void {
    if (this.#deps.holds.mustWait(view, this.#tenant!)) return this.#wait()
    this.#phase = 'attempting'
    this.#attempts!.start(view, now)
  }

  // ── A hold ──

  #wait(): void {
    // It may have waited before, and then been misdirected: a place that is not given back would stop its queue.
    this.#endHold()
    const bytes = this.head.lines.length + this.body.keptBytes
    this.#phase = 'held'
    this.#hold = this.#deps.holds.add(this, this.#tenant!, bytes)
    if (!this.#hold) return this.refuse(HELD)
    // Read on: it is by reading that a client is seen to leave.
    this.client.resumeBody()
  }

  /** What comes of the body meanwhile is kept, and the client read no further when that is much. */
  #keepWhileHeld(data: string): void {
    this.body.add(data)
    if (!this.#deps.holds.grow(this.#hold!, data.length)) this.refuse(HELD)
    else if (this.body.keptBytes > this.#deps.limits.body_retry_bytes_max) this.client.pauseBody()
  }

  goOn(): void {
    try {
      this.#phase = 'attempting'
      this.#attempts!.start(this.#deps.currentView() ?? this.#view!, monotonicNow())
      this.flushRequest()
    } catch (error) {
      this.onDefect(error as Error)
    }
  }

  giveUp(refusal: Refusal): void {
    this.refuse(refusal)
    this.flushRequest()
  }

  #endHold(): void {
    if (this.#hold) this.#deps.holds.end(this.#hold)
    this.#hold = null
  }

  /** The router is behind, says a cell: asks for the topology, and sends it where that says. */
  refreshRoute(): void {
    this.routeAgainAfter(this.#deps.refreshTopology())
  }

  /** Waits for news of the topology, which must not fail, and is sent where the view of that moment says. */
  routeAgainAfter(news: Promise<void>): void {
    this.client.pauseBody()
    news
      .then(() => {
        if (this.#phase !== 'attempting') return
        if (this.body.isDone) this.client.resumeBody()
        this.#route(this.#deps.currentView() ?? this.#view!, monotonicNow())
        this.flushRequest()
      })
      .catch(this.onDefect)
  }

  // ── The answer ──

  onInterim(scan: ResponseScan, text: string): void {
    // The router has answered "continue" itself; HTTP/1.0 knows no interim answers.
    if (scan.status !== 100 && this.head.minor === 1) this.client.write(formatInterimHead(scan, text))
  }

  becomeTunnel(attempt: Attempt, scan: ResponseScan, text: string): void {
    const { cell, connection } = attempt
    this.#answeredAt = this.#deps.cells.countAnswer(attempt, 101)
    const head = formatSwitchHead(scan, text, cell.id, this.identity.requestId)
    const { traffic } = this.#deps
    const tunnel = new Tunnel(this.#deps, this.client, connection, head, () => {
      attempt.end()
      traffic.end()
    })
    this.#phase = 'over'
    this.#endHold()
    connection.use(tunnel)
    this.client.becomeTunnel(tunnel, cell)
  }

  /** `answeredAt` in ms, on the router's clock. */
  beginRelay(
    { cell }: Attempt,
    scan: ResponseScan,
    text: string,
    hasBody: boolean,
    answeredAt: number,
  ): void {
    this.#answeredAt = answeredAt
    this.#phase = 'relaying'
    this.body.forget()
    this.#answer.begin(scan, text, hasBody, this.#mayKeepClient(), cell.id, this.identity.requestId)
    // Now that the scan is used up: another request may go on in this place.
    this.#endHold()
  }

  onAnswerData(data: string): void {
    this.#answer.add(data)
    this.#attempts!.current?.expectMore()
  }

  onAnswerBytes(bytes: Buffer): void {
    if (!this.#answer.passesBytes) return this.onAnswerData(bytes.toString('latin1'))
    this.#attempts!.current?.expectMore()
    if (!this.#answer.writeBytes(bytes)) this.#waitForClient()
  }

  onAnswerPause(): void {
    this.#leaveIfAsked()
    if (!this.#answer.flush()) this.#waitForClient()
  }

  #waitForClient(): void {
    const connection = this.#attempts!.current?.connection
    if (!connection) return
    connection.pause()
    // The client has a time limit of its own for as long as it is waited for.
    connection.deadline = Number.POSITIVE_INFINITY
  }

  onAnswerBroken(why: CellFailure | null): void {
    const attempts = this.#attempts!
    this.#deps.cells.countCut(attempts.current!)
    const refusal = why && attempts.explainBroken(why)
    attempts.drop()
    // An answer that has begun can neither be completed nor be made up, unless nothing of it has gone out.
    if (!refusal || !this.#answer.takeBack()) return this.#cut()
    this.refuse(refusal)
    this.flushRequest()
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
    return this.#attempts?.current?.cell
  }

  #leaveIfAsked(): void {
    if (!this.#isAskedToLeave || this.#phase !== 'relaying' || !this.#answer.mayEndHere) return
    this.#answer.finish('')
    this.#attempts!.drop()
    this.#finish()
  }

  onClientDrain(): void {
    const attempt = this.#attempts?.current
    if (this.#phase === 'relaying') attempt?.expectMore()
    attempt?.connection.resume()
  }

  onAnswerEnd(trailers: string): void {
    const attempts = this.#attempts!
    this.#answer.finish(trailers)
    if (attempts.current) {
      this.#deps.cells.countWhole(attempts.current.cell, this.#answer.status, this.#answeredAt)
      attempts.end()
    }
    this.#finish()
  }

  // ── The end ──

  /** An answer that came before the request was read to its end leaves bytes behind that are no next request. */
  #mayKeepClient(): boolean {
    return this.client.isRequestRead && !this.#deps.isStopping
  }

  /** The router answers itself, once what was read of the request is used up. */
  refuse(refusal: Refusal): void {
    this.#deps.traffic.countRefusal(refusal.code)
    this.#isBlameless = refusal.code === 'ROUTER_EXHAUSTED' || refusal.code === 'TENANT_HELD'
    this.answerItself(formatRefusal(refusal, this.identity.requestId))
  }

  /** The same, with an answer that is no refusal. */
  answerItself(own: OwnAnswer): void {
    this.#own = own
  }

  #finish(): void {
    const { tenants, accessLog } = this.#deps
    const { status, isClientKept } = this.#answer
    const tenant = this.#tenant
    if (tenant) tenants.count(tenant, status >= (this.#own ? 400 : 500) && !this.#isBlameless)
    // The end of a long answer is not worth another look at the clock: what is compared is the head's time.
    const now = this.#answeredAt || monotonicNow()
    if (accessLog.wants(status, now)) {
      const cell = this.#attempts?.cell ?? null
      const durationMs = now - this.#startedAt
      accessLog.write({ identity: this.identity, head: this.head, tenant, cell, status, durationMs })
    }
    this.#trace(now, false)
    this.#leave()
    this.client.onExchangeEnd(isClientKept, !this.head.isKeptAlive)
  }

  /** Ends without an answer, or in the middle of one: the client sees its connection cut. */
  #cut(): void {
    this.#trace(0, true)
    this.#leave()
    this.client.destroy()
  }

  /** Of a hundred requests some one is kept: for the others nothing is made. `endedAt`: 0 is now. */
  #trace(endedAt: number, isCut: boolean): void {
    const { identity, head } = this
    const { tracing } = this.#deps
    const { status } = this.#answer
    if (!tracing || !(identity.isSampled || isFailure(status, isCut))) return
    tracing.record({
      traceId: traceIdOf(identity),
      spanId: spanIdOf(identity),
      parentSpanId: identity.parentSpanId,
      startedAt: this.#startedAt,
      endedAt: endedAt || monotonicNow(),
      method: head.method,
      path: head.path,
      status,
      isCut,
      tenant: this.#tenant?.isTenant ? this.#tenant.key : null,
      cell: this.#attempts?.cell?.id ?? null,
    })
  }

  #leave(): void {
    this.#phase = 'over'
    this.#endHold()
    this.#deps.traffic.end()
  }

  readonly onDefect = (error: Error): void => {
    this.#deps.onDefect(error)
    if (this.#phase === 'over') return
    this.#attempts?.drop()
    this.refuse({ code: 'INTERNAL', detail: 'the router could not handle this' })
    this.flushRequest()
  }
}
