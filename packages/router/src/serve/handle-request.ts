/**
 * A request from its arrival to its answer: admit, identify, exchange, and a problem document where no cell answers.
 */
import type { IncomingMessage, ServerResponse } from 'node:http'
import { ENDPOINTS_PATH } from '@cellplane/contract'
import type { RouterLimits } from '../config.ts'
import type { RoutingView } from '../decision/routing-view.ts'
import type { Logger } from '../log.ts'
import type { TokenVerifier } from '../tokens/token-verifier.ts'
import { type Caller, identify } from './caller.ts'
import { answerEndpoints } from './endpoints.ts'
import { type ExchangeDeps, type ExchangeResult, runExchange } from './exchange.ts'
import { formatRefusal, type Refusal } from './refusal.ts'
import { createRequestBody, type RequestBody } from './request-body.ts'
import { type RequestHead, readRequestHead, requestIdOf } from './request-head.ts'
import type { Traffic } from './traffic.ts'

export type ServeDeps = Omit<ExchangeDeps, 'currentView'> & {
  limits: RouterLimits
  verifier: TokenVerifier
  traffic: Traffic
  log: Logger
  /** Null until a topology was accepted. */
  currentView(): RoutingView | null
}

export type Admitted = { head: RequestHead; caller: Caller; view: RoutingView }

/** Everything that is asked of a request before a cell is picked. */
export async function admit(
  deps: ServeDeps,
  request: IncomingMessage,
  requestId: string,
): Promise<Admitted | Refusal> {
  if (deps.traffic.inFlight > deps.limits.in_flight_max) {
    return { code: 'OVERLOADED', detail: 'this router has as many requests under way as it may' }
  }
  const view = deps.currentView()
  if (!view) return { code: 'NO_TOPOLOGY', detail: 'this router does not know the cells yet' }
  const head = readRequestHead(request, requestId, view.snapshot.base.partition_key)
  if ('code' in head) return head
  const caller = await identify(head, view, deps.verifier)
  return 'code' in caller ? caller : { head, caller, view }
}

/** Never rejects: what goes wrong here must not take the process, which carries everybody else's requests. */
export async function handleRequest(
  deps: ServeDeps,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const { traffic } = deps
  const requestId = requestIdOf(request)
  traffic.begin()
  response.once('close', () => traffic.end())
  try {
    await serve(deps, request, response, requestId)
  } catch (error) {
    deps.log.error('a request could not be handled; this is a defect of the router', {
      request_id: requestId,
      why: (error as Error).stack ?? String(error),
    })
    if (response.headersSent) response.destroy()
    else refuse(deps, response, { code: 'INTERNAL', detail: 'the router could not handle this' }, requestId)
  }
}

async function serve(
  deps: ServeDeps,
  request: IncomingMessage,
  response: ServerResponse,
  requestId: string,
): Promise<void> {
  const admitted = await admit(deps, request, requestId)
  if ('code' in admitted) {
    request.resume()
    return refuse(deps, response, admitted, requestId)
  }
  const { head, caller, view } = admitted
  const body = createRequestBody(request, head.hasBody, deps.limits.body_retry_bytes_max)
  if (head.path === ENDPOINTS_PATH) {
    body.discard()
    const refusal = answerEndpoints(view, caller, head, response)
    return refusal && refuse(deps, response, refusal, requestId)
  }
  if (!caller.isTenant) deps.traffic.countFailOpen()
  const result = await exchange(deps, { head, caller, view }, body, response)
  if (caller.isTenant) deps.traffic.countTenant(caller.key, isError(result))
  if (result.kind === 'refused') {
    body.discard()
    refuse(deps, response, result.refusal, requestId)
  }
}

async function exchange(
  deps: ServeDeps,
  { head, caller, view }: Admitted,
  body: RequestBody,
  response: ServerResponse,
): Promise<ExchangeResult> {
  const clientGone = new AbortController()
  const onClose = () => {
    if (!response.writableFinished) clientGone.abort()
  }
  response.once('close', onClose)
  const currentView = () => deps.currentView() ?? view
  return runExchange(
    { ...deps, currentView },
    { head, caller, body, response, clientGone: clientGone.signal },
  )
}

function isError(result: ExchangeResult): boolean {
  return result.kind === 'refused' || (result.kind === 'done' && result.status >= 500)
}

function refuse(deps: ServeDeps, response: ServerResponse, refusal: Refusal, requestId: string): void {
  deps.traffic.countRefusal(refusal.code)
  if (response.destroyed) return
  const { status, headers, body } = formatRefusal(refusal, requestId)
  response.writeHead(status, headers).end(body)
}
