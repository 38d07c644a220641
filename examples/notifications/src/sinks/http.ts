/**
 * The HTTP side of the sinks: a provider for SMS and push, and what a person or a test looks at.
 *
 *   POST /sms, /push    takes a message; needs an Idempotency-Key
 *   GET  /              the last messages, as a page
 *   GET  /messages      the same as JSON (?limit)
 *   GET  /counts        deliveries, unique, duplicates
 *   GET  /keys          every unique key, one a line
 *   GET, POST /faults   what the next deliveries meet, such as {"kind": "unavailable", "count": 5}
 */
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { FAULT_KINDS, FAULTS_MAX, type FaultOrder, type Faults } from './faults.ts'
import { type Inbox, MESSAGES_MAX } from './inbox.ts'
import { renderPage } from './page.ts'

export type HttpSink = { port: number; url: string; stop(): Promise<void> }

const BODY_BYTES_MAX = 512 * 1024
const MESSAGES_DEFAULT = 100

type Parts = { inbox: Inbox; faults: Faults }

export async function startHttpSink(
  inbox: Inbox,
  faults: Faults,
  listen: { host: string; port: number },
): Promise<HttpSink> {
  const server = createServer((request, response) => {
    answer({ inbox, faults }, request, response).catch((error: Error) => {
      if (!response.headersSent) json(response, 400, { error: error.message })
    })
  })
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    server.listen(listen.port, listen.host, resolve)
  })
  const { port } = server.address() as AddressInfo
  return {
    port,
    url: `http://${listen.host}:${port}`,
    stop: () =>
      new Promise((resolve) => {
        server.close(() => resolve())
        server.closeAllConnections()
      }),
  }
}

async function answer(parts: Parts, request: IncomingMessage, response: ServerResponse): Promise<void> {
  const { inbox, faults } = parts
  const url = new URL(request.url ?? '/', 'http://sinks')
  const asked = Number(url.searchParams.get('limit') ?? MESSAGES_DEFAULT)
  const limit = Number.isInteger(asked) && asked > 0 ? Math.min(asked, MESSAGES_MAX) : MESSAGES_DEFAULT
  switch (`${request.method} ${url.pathname}`) {
    case 'POST /sms':
      return takeMessage(parts, 'sms', request, response)
    case 'POST /push':
      return takeMessage(parts, 'push', request, response)
    case 'GET /':
      response.writeHead(200, { 'content-type': 'text/html; charset=utf-8' })
      response.end(renderPage(inbox.messages(limit), inbox.counts()))
      return
    case 'GET /messages':
      return json(response, 200, { items: inbox.messages(limit) })
    case 'GET /counts':
      return json(response, 200, inbox.counts())
    case 'GET /keys':
      response.writeHead(200, { 'content-type': 'text/plain' }).end([...inbox.keys(), ''].join('\n'))
      return
    case 'GET /healthz':
      return json(response, 200, { status: 'ok' })
    case 'GET /faults':
      return json(response, 200, faults.current())
    case 'POST /faults': {
      const order = parseOrder(await readJson(request))
      if (!order)
        return json(response, 400, {
          error: `expected {"kind": one of ${FAULT_KINDS.join(', ')}, "count": 0–${FAULTS_MAX}}`,
        })
      faults.order(order)
      return json(response, 200, faults.current())
    }
    default:
      return json(response, 404, { error: 'nothing here; see GET /' })
  }
}

async function takeMessage(
  { inbox, faults }: Parts,
  channel: 'sms' | 'push',
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const { to, title, body } = (await readJson(request)) as Record<string, unknown>
  const key = request.headers['idempotency-key']
  if (typeof key !== 'string' || typeof to !== 'string' || typeof body !== 'string') {
    return json(response, 400, { error: 'expected an Idempotency-Key, "to" and "body"' })
  }
  const fault = faults.next()
  if (fault === 'hang') return
  if (fault === 'unavailable') return json(response, 503, { error: 'try again later' })
  if (fault === 'reject') return json(response, 400, { error: 'no such recipient' })
  const taken = inbox.take({ channel, key, to, title: typeof title === 'string' ? title : '', text: body })
  if (fault === 'lost-answer') request.socket.destroy()
  else json(response, 200, { taken })
}

function parseOrder(value: unknown): FaultOrder | undefined {
  const { kind, count } = value as Record<string, unknown>
  const known = FAULT_KINDS.find((name) => name === kind)
  const isCount = typeof count === 'number' && Number.isInteger(count) && count >= 0 && count <= FAULTS_MAX
  return known && isCount ? { kind: known, count } : undefined
}

async function readJson(request: IncomingMessage): Promise<object> {
  const chunks: Buffer[] = []
  let bytes = 0
  for await (const chunk of request as AsyncIterable<Buffer>) {
    bytes += chunk.length
    if (bytes > BODY_BYTES_MAX) throw new Error(`a body has at most ${BODY_BYTES_MAX} bytes`)
    chunks.push(chunk)
  }
  const value: unknown = JSON.parse(Buffer.concat(chunks).toString('utf8'))
  if (typeof value !== 'object' || value === null) throw new Error('expected a JSON object')
  return value
}

function json(response: ServerResponse, status: number, body: unknown): void {
  response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body))
}
