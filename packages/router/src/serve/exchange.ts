/**
 * One request through the router: pick a cell, send, at most once send again, relay the answer.
 *
 * When a second attempt is made:
 * - Nothing reached the first cell (no connection, or it is full): at another cell of the shard, unless the route is the
 *   home's alone.
 * - The first cell may have had it (broken, timed out, or it answered 502, 503 or 504): at another cell, if core says
 *   that the request may be repeated and its body was kept.
 * - The first cell answered 421: it says that it processed nothing and that this router is behind. The topology is
 *   asked for, the cell is picked anew.
 * A request that names its cell is never sent to another one. Every second attempt needs the budgets' consent.
 */
import type { IncomingMessage, ServerResponse } from 'node:http'
import { pipeline } from 'node:stream/promises'
import { HEADERS, type ProblemCode } from '@cellplane/contract'
import { chooseCell, type MatchedRoute, matchRoute, mayRetry } from '@cellplane/core'
import { type Cell, countDuration } from '../cells/cell.ts'
import type { Cells } from '../cells/cells.ts'
import type { RouterLimits } from '../config.ts'
import type { RetryBudgets } from '../decision/retry-budgets.ts'
import type { RoutingView } from '../decision/routing-view.ts'
import { pickTarget, type Target } from '../decision/target.ts'
import { type AttemptOutcome, type FailureReason, sendAttempt } from './attempt.ts'
import type { Caller } from './caller.ts'
import { headersToCell, headersToClient } from './forwarded-headers.ts'
import type { Refusal } from './refusal.ts'
import type { RequestBody } from './request-body.ts'
import type { RequestHead } from './request-head.ts'

export type ExchangeDeps = {
  cells: Cells
  budgets: RetryBudgets
  limits: RouterLimits
  /** What to route by now; after `refreshTopology` it may be newer. */
  currentView(): RoutingView
  refreshTopology(): Promise<void>
}

export type Exchange = {
  head: RequestHead
  caller: Caller
  body: RequestBody
  response: ServerResponse
  /** Aborts when the client is gone. */
  clientGone: AbortSignal
}

/** What became of it: a refusal is still to be answered; `done` needs nothing more, also when the client is gone. */
export type ExchangeResult =
  | { kind: 'done'; status: number }
  | { kind: 'gone' }
  | { kind: 'refused'; refusal: Refusal }

type CellTarget = Extract<Target, { kind: 'cell' }>

/** Statuses by which a cell, or what stands in it, says that it could not serve. A 500 is an answer like another. */
const UNSERVED = new Set([502, 503, 504])
const MISDIRECTED = 421

export async function runExchange(deps: ExchangeDeps, exchange: Exchange): Promise<ExchangeResult> {
  const { head, caller, body } = exchange
  let view = deps.currentView()
  const route = matchRoute(view.routes, head.method, head.path)
  let target = pick(view, exchange, route)
  if (target.kind !== 'cell') return refuseTarget(view, target)

  deps.budgets.request(cellOf(view, target).slot, caller.key)
  let outcome = await attempt(deps, exchange, view, target, 0)

  const second = await secondTarget(deps, exchange, view, route, target, outcome)
  if (second) {
    if (outcome.kind === 'answered') outcome.upstream.destroy()
    body.stopSending()
    view = second.view
    target = second.target
    if (target.kind !== 'cell') return refuseTarget(view, target)
    cellOf(view, target).counters.retries++
    outcome = await attempt(deps, exchange, view, target, 1)
  }
  if (outcome.kind === 'answered') return relay(deps, exchange, cellOf(view, target), outcome)
  return outcome.why === 'client-gone'
    ? { kind: 'gone' }
    : { kind: 'refused', refusal: explainFailure(outcome, cellOf(view, target), target.isNamed, route) }
}

function pick(view: RoutingView, { head, caller }: Exchange, route: MatchedRoute): Target {
  const { method, wantedCell, hasIdempotencyKey } = head
  return pickTarget(view, { key: caller.key, method, route, wantedCell, hasIdempotencyKey }, draw())
}

/** 0–254, see `chooseCell`. */
const draw = () => Math.floor(Math.random() * 255)

const cellOf = (view: RoutingView, target: CellTarget): Cell => view.cells[target.index]!

/** Where to send a second time, by which view; undefined when the first outcome stands. */
async function secondTarget(
  deps: ExchangeDeps,
  exchange: Exchange,
  view: RoutingView,
  route: MatchedRoute,
  first: CellTarget,
  outcome: AttemptOutcome,
): Promise<{ view: RoutingView; target: Target } | undefined> {
  const { head, caller, body, clientGone } = exchange
  if (!body.isReplayable || clientGone.aborted) return undefined
  const { slot } = cellOf(view, first)

  if (outcome.kind === 'answered' && outcome.answer.statusCode === MISDIRECTED) {
    if (!deps.budgets.tryRetry(slot, caller.key)) return undefined
    // Before the wait, not after it: a body that goes on flowing to this cell outgrows what is kept of it.
    body.stopSending()
    outcome.upstream.destroy()
    await deps.refreshTopology()
    // Nothing is read while nothing is sent to, so this is a defect; here it fails one request and not the process.
    if (!body.isReplayable) throw new Error('a body outgrew what is kept of it while it was not sent')
    const newer = deps.currentView()
    return { view: newer, target: pick(newer, exchange, route) }
  }

  if (first.isNamed || (outcome.kind === 'failed' && outcome.why.startsWith('client-'))) return undefined
  if (outcome.kind === 'answered' && !UNSERVED.has(outcome.answer.statusCode!)) return undefined
  const sent = outcome.kind === 'failed' ? outcome.sent : 'something'
  if (!mayRetry(route.failover, head.method, head.hasIdempotencyKey, sent)) return undefined
  const index = chooseCell(view.snapshot, first.row, view.fitness, view.inFlight, draw(), first.index)
  if (index < 0 || !deps.budgets.tryRetry(slot, caller.key)) return undefined
  const role = index === first.shard[0] ? 'home' : 'alternate'
  return { view, target: { ...first, index, role } }
}

/** Sends once, and tells the cell's counters and the outlier detection how it went. */
async function attempt(
  { cells, limits }: ExchangeDeps,
  { head, caller, body, clientGone }: Exchange,
  view: RoutingView,
  target: CellTarget,
  number: number,
): Promise<AttemptOutcome> {
  const cell = cellOf(view, target)
  if (cell.inFlight >= limits.sockets_per_cell_max) return { kind: 'failed', why: 'full', sent: 'nothing' }
  const shard = target.shard.map((index) => view.snapshot.cells[index]!.id)
  const { role, generation } = target
  const startedAt = performance.now()
  cells.begin(cell)
  const outcome = await sendAttempt({
    cell,
    head,
    headers: headersToCell(head, caller, { cell, role, generation, shard, attempt: number }),
    body,
    limits,
    clientGone,
    onEnd: () => cells.end(cell),
  })
  if (outcome.kind === 'answered') {
    const status = outcome.answer.statusCode!
    cell.counters.attempts[Math.min(5, Math.floor(status / 100))]!++
    countDuration(cell.counters, (performance.now() - startedAt) / 1000)
    cells.record(cell, status >= 500 ? 'error' : 'ok')
  } else if (!outcome.why.startsWith('client-')) {
    cell.counters.attempts[0]!++
    if (outcome.why === 'connect') cell.counters.connectFailures++
    cells.record(cell, outcome.why === 'connect' ? 'connect-failure' : 'error')
  }
  return outcome
}

async function relay(
  { cells }: ExchangeDeps,
  { head, body, response }: Exchange,
  cell: Cell,
  { answer, upstream }: { answer: IncomingMessage; upstream: { destroy(): unknown } },
): Promise<ExchangeResult> {
  const status = answer.statusCode!
  response.writeHead(status, headersToClient(answer.rawHeaders, cell, head.requestId))
  // An answer without a length may be a stream whose first part is far off: its head is worth sending now.
  if (answer.headers['content-length'] === undefined) response.flushHeaders()
  try {
    await pipeline(answer, response)
  } catch (error) {
    const isClientGone = (error as NodeJS.ErrnoException).code === 'ERR_STREAM_PREMATURE_CLOSE'
    if (!isClientGone) cells.record(cell, 'error')
    return { kind: 'gone' }
  } finally {
    // A cell may answer before it has read everything; what still comes from the client is no use to it.
    if (!body.isComplete) {
      upstream.destroy()
      body.discard()
    }
  }
  return { kind: 'done', status }
}

function refuseTarget(view: RoutingView, target: Exclude<Target, CellTarget>): ExchangeResult {
  if (target.kind === 'refused') {
    return { kind: 'refused', refusal: { code: 'INVALID_REQUEST', detail: target.detail } }
  }
  return { kind: 'refused', refusal: cellUnavailable(view.cells[target.index]!) }
}

const cellUnavailable = (cell: Cell): Refusal => ({
  code: 'CELL_UNAVAILABLE',
  detail: `what this asks for is in cell ${cell.id}, which is not available at the moment; it is not lost`,
  cell: cell.id,
})

function explainFailure(
  { why, sent }: { why: FailureReason; sent: 'nothing' | 'something' },
  cell: Cell,
  isNamed: boolean,
  route: MatchedRoute,
): Refusal {
  const refusal = (code: ProblemCode, detail: string): Refusal => ({ code, detail, cell: cell.id })
  if (why === 'client-slow') {
    return { code: 'INVALID_REQUEST', detail: 'the request body stopped coming before its end' }
  }
  if (why === 'full')
    return refusal('OVERLOADED', `cell ${cell.id} has as many requests under way as it is given`)
  if (isNamed || (sent === 'nothing' && route.failover === 'home-only')) return cellUnavailable(cell)
  const repeat = `it may have processed the request; repeat it with the same ${HEADERS.idempotencyKey}, or look before you repeat it`
  switch (why) {
    case 'timeout':
      return refusal('UPSTREAM_TIMEOUT', `cell ${cell.id} did not answer in time; ${repeat}`)
    case 'invalid':
      return refusal('UPSTREAM_INVALID', `cell ${cell.id} answered something that is not HTTP; ${repeat}`)
    case 'broken':
      return refusal(
        'UPSTREAM_INVALID',
        `cell ${cell.id} closed the connection before it answered; ${repeat}`,
      )
    default:
      return refusal('SHARD_UNAVAILABLE', 'no cell of this tenant’s shard could be reached')
  }
}
