/**
 * One attempt to have a request answered by one cell, as far as the head of the answer.
 *
 *     connecting ──(connected)──▶ sending and waiting ──(head)──▶ answered
 *         │ nothing was sent              │ something was sent
 *         └────────────▶ failed ◀─────────┘
 *
 * The line between the two left states is what makes retries safe: the body and even the request line are held back
 * until the connection stands. A kept-alive connection stands already, so whatever goes wrong on one counts as sent:
 * the cell may have read the request before it closed.
 *
 * Every state has its time limit, and the client going away ends each.
 */
import { type ClientRequest, type IncomingMessage, request as requestHttp } from 'node:http'
import { request as requestHttps } from 'node:https'
import type { Cell } from '../cells/cell.ts'
import type { RouterLimits } from '../config.ts'
import type { RequestBody } from './request-body.ts'
import type { RequestHead } from './request-head.ts'

export type AttemptOutcome =
  | { kind: 'answered'; answer: IncomingMessage; upstream: ClientRequest }
  | { kind: 'failed'; why: FailureReason; sent: 'nothing' | 'something' }

/**
 * `full`: the cell has as many requests under way as this process allows it. `connect`: no connection. `timeout`: no
 * answer in time. `broken`: the connection ended without an answer. `invalid`: what came was not HTTP. `client-slow`:
 * the body stopped coming. `client-gone`: nobody waits for the answer.
 */
export type FailureReason =
  | 'full'
  | 'connect'
  | 'timeout'
  | 'broken'
  | 'invalid'
  | 'client-slow'
  | 'client-gone'

export type AttemptOptions = {
  cell: Cell
  head: RequestHead
  headers: readonly string[]
  body: RequestBody
  limits: RouterLimits
  /** Aborts when the client is gone. */
  clientGone: AbortSignal
  /** Called once, when the exchange with the cell is over, its answer's body included. */
  onEnd(): void
}

/** Never rejects. */
export function sendAttempt(options: AttemptOptions): Promise<AttemptOutcome> {
  const { cell, head, headers, body, limits, clientGone, onEnd } = options
  if (clientGone.aborted) {
    onEnd()
    return Promise.resolve({ kind: 'failed', why: 'client-gone', sent: 'nothing' })
  }
  return new Promise((resolve) => {
    let sent: 'nothing' | 'something' = 'nothing'
    let isSettled = false
    const upstream = openRequest(cell, head, headers)
    let timer = setTimeout(onTimeout, limits.connect_timeout_ms)

    function settle(outcome: AttemptOutcome): void {
      if (isSettled) return
      isSettled = true
      clearTimeout(timer)
      if (outcome.kind === 'failed') {
        body.stopSending()
        upstream.destroy()
      }
      resolve(outcome)
    }
    const fail = (why: FailureReason) => settle({ kind: 'failed', why, sent })

    function onTimeout(): void {
      if (sent === 'nothing') fail('connect')
      else if (body.isComplete || upstream.writableNeedDrain) fail('timeout')
      else fail('client-slow')
    }

    function onConnected(): void {
      if (isSettled) return
      sent = 'something'
      clearTimeout(timer)
      timer = setTimeout(onTimeout, limits.response_timeout_ms)
      body.sendTo(upstream, () => timer.refresh())
    }

    const onClientGone = () => {
      fail('client-gone')
      upstream.destroy()
    }
    clientGone.addEventListener('abort', onClientGone, { once: true })

    upstream.once('socket', (socket) => {
      if (!socket.connecting) onConnected()
      else socket.once(cell.origin.isTls ? 'secureConnect' : 'connect', onConnected)
    })
    upstream.once('response', (answer) => {
      // The parser lets any three digits pass; below 200 nothing is left that may come here.
      if (isSettled || answer.statusCode! < 200) return fail('invalid')
      upstream.setTimeout(limits.idle_timeout_ms, () => upstream.destroy())
      settle({ kind: 'answered', answer, upstream })
    })
    upstream.on('error', (error: NodeJS.ErrnoException) => {
      if (sent === 'nothing') fail('connect')
      else fail(error.code?.startsWith('HPE_') ? 'invalid' : 'broken')
    })
    upstream.once('close', () => {
      fail(sent === 'nothing' ? 'connect' : 'broken')
      clientGone.removeEventListener('abort', onClientGone)
      onEnd()
    })
  })
}

/** The request line and headers are not sent before the body is, or is said to be none. */
export function openRequest(cell: Cell, head: RequestHead, headers: readonly string[]): ClientRequest {
  const { agent, hostname, port, isTls, pathPrefix } = cell.origin
  return (isTls ? requestHttps : requestHttp)({
    agent,
    host: hostname,
    port,
    method: head.method,
    path: head.target === '*' ? '*' : pathPrefix + head.target,
    headers,
    setHost: false,
  })
}
