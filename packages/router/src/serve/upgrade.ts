/**
 * WebSocket connections: routed by their first request, then two sockets joined.
 *
 * One attempt, no retry: what the client sends after the head cannot be sent twice. When the cell does not agree to the
 * upgrade, its answer is passed on and the connection ends.
 */
import { type IncomingMessage, STATUS_CODES } from 'node:http'
import type { Duplex } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { matchRoute } from '@cellplane/core'
import { countDuration } from '../cells/cell.ts'
import { pickTarget } from '../decision/target.ts'
import { openRequest } from './attempt.ts'
import { headersToCell, headersToClient } from './forwarded-headers.ts'
import { type Admitted, admit, type ServeDeps } from './handle-request.ts'
import { formatRefusal, type Refusal } from './refusal.ts'
import { requestIdOf } from './request-head.ts'

/** Never rejects. `stopping` ends an upgraded connection: it has no natural end that a stop could wait for. */
export async function handleUpgrade(
  deps: ServeDeps,
  request: IncomingMessage,
  client: Duplex,
  firstBytes: Buffer,
  stopping: AbortSignal,
): Promise<void> {
  const requestId = requestIdOf(request)
  // Without a listener an error of the socket would end the process.
  client.on('error', () => client.destroy())
  deps.traffic.begin()
  client.once('close', () => deps.traffic.end())
  try {
    const admitted = await admit(deps, request, requestId)
    const refusal =
      'code' in admitted ? admitted : await join(deps, admitted, request, client, firstBytes, stopping)
    if (refusal) {
      deps.traffic.countRefusal(refusal.code)
      const { status, headers, body } = formatRefusal(refusal, requestId)
      client.end(Buffer.concat([formatHead(status, [...headers, 'connection', 'close']), body]))
    }
  } catch (error) {
    deps.log.warn('an upgraded connection ended with an error', {
      request_id: requestId,
      why: (error as Error).message,
    })
    client.destroy()
  }
}

/** Resolves when both sides are closed, or with why they were not joined. */
async function join(
  deps: ServeDeps,
  { head, caller, view }: Admitted,
  request: IncomingMessage,
  client: Duplex,
  firstBytes: Buffer,
  stopping: AbortSignal,
): Promise<Refusal | undefined> {
  const { cells, limits } = deps
  const route = matchRoute(view.routes, head.method, head.path)
  const { method, wantedCell, hasIdempotencyKey } = head
  const draw = Math.floor(Math.random() * 255)
  const target = pickTarget(view, { key: caller.key, method, route, wantedCell, hasIdempotencyKey }, draw)
  if (target.kind === 'refused') return { code: 'INVALID_REQUEST', detail: target.detail }
  const cell = view.cells[target.index]!
  const unavailable: Refusal = {
    code: 'CELL_UNAVAILABLE',
    detail: `cell ${cell.id} is not available at the moment`,
    cell: cell.id,
  }
  if (target.kind === 'down') return unavailable
  if (cell.inFlight >= limits.sockets_per_cell_max) {
    return {
      ...unavailable,
      code: 'OVERLOADED',
      detail: `cell ${cell.id} has as many requests under way as it is given`,
    }
  }

  const shard = target.shard.map((index) => view.snapshot.cells[index]!.id)
  const { role, generation } = target
  const headers = [
    ...headersToCell(head, caller, { cell, role, generation, shard, attempt: 0 }),
    ...['connection', 'upgrade', 'upgrade', request.headers.upgrade ?? ''],
  ]
  const startedAt = performance.now()
  cells.begin(cell)
  const upstream = openRequest(cell, head, headers)
  upstream.once('close', () => cells.end(cell))
  client.once('close', () => upstream.destroy())
  const timer = setTimeout(() => upstream.destroy(), limits.connect_timeout_ms + limits.response_timeout_ms)
  upstream.end()

  return new Promise((resolve, reject) => {
    const answered = (status: number) => {
      clearTimeout(timer)
      cell.counters.attempts[Math.min(5, Math.floor(status / 100))]!++
      countDuration(cell.counters, (performance.now() - startedAt) / 1000)
      cells.record(cell, status >= 500 ? 'error' : 'ok')
    }
    upstream.once('upgrade', (answer, socket, rest) => {
      answered(101)
      client.write(
        formatHead(101, [
          ...headersToClient(answer.rawHeaders, cell, head.requestId),
          ...['connection', 'upgrade', 'upgrade', answer.headers.upgrade ?? ''],
        ]),
      )
      client.write(rest)
      socket.write(firstBytes)
      const idle = () => socket.destroy()
      socket.setTimeout(limits.idle_timeout_ms, idle)
      stopping.addEventListener('abort', idle, { once: true })
      // Either side may leave at any time; that is how such connections end.
      Promise.allSettled([pipeline(client, socket), pipeline(socket, client)]).then(() => {
        stopping.removeEventListener('abort', idle)
        resolve(undefined)
      })
    })
    upstream.once('response', (answer) => {
      answered(answer.statusCode!)
      client.write(
        formatHead(answer.statusCode!, [
          ...headersToClient(answer.rawHeaders, cell, head.requestId),
          ...['connection', 'close'],
        ]),
      )
      pipeline(answer, client).then(() => resolve(undefined), reject)
    })
    upstream.once('error', () => {
      clearTimeout(timer)
      if (client.destroyed) return resolve(undefined)
      cell.counters.attempts[0]!++
      cells.record(cell, 'error')
      resolve(unavailable)
    })
  })
}

/** Header text is Latin-1, as Node hands it over. */
function formatHead(status: number, headers: readonly string[]): Buffer {
  let text = `HTTP/1.1 ${status} ${STATUS_CODES[status] ?? ''}\r\n`
  for (let i = 0; i < headers.length; i += 2) text += `${headers[i]}: ${headers[i + 1]}\r\n`
  return Buffer.from(`${text}\r\n`, 'latin1')
}
