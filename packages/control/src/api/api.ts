/**
 * The API: mounts the operations' table, one loop. An operation that is not in the table does not exist, and a
 * role that is not in its row is denied.
 *
 * Every request passes the same gates in the same order: who calls, may they, is this the replica that writes, is the
 * input valid. Only then is it handed on. Beside the table there are the pushed events, the OpenAPI document, and what
 * a supervisor asks (health, metrics), which is open on loopback.
 */
import { randomUUID } from 'node:crypto'
import { ROUTER_HEADER } from '@cellplane/contract'
import {
  type ApiRole,
  OPERATIONS,
  type Operation,
  type OperationName,
  TOPOLOGY_EVENTS_PATH,
} from '@cellplane/contract/api'
import type { HttpBindings } from '@hono/node-server'
import { type Context, Hono } from 'hono'
import { bodyLimit } from 'hono/body-limit'
import type { Logger } from 'pino'
import type { Metrics } from '../metrics.ts'
import type { Authenticate, Caller } from './authentication.ts'
import type { Call, Handlers, Reply } from './handler.ts'
import { honoPath, readInput } from './input.ts'
import { openApiDocument } from './open-api.ts'
import { codeOf, failureOf, problemResponse } from './problems.ts'
import type { TopologyEvents } from './topology-events.ts'

/** The largest body: a report of a router that sees thousands of cells. */
const BODY_BYTES_MAX = 1024 * 1024

const EVENT_ROLES: readonly ApiRole[] = ['admin', 'reader', 'router']

export type ApiOptions = {
  handlers: Handlers
  authenticate: Authenticate
  events: TopologyEvents
  metrics: Metrics
  isWriter: () => boolean
  /** Null when all is well, otherwise why not. */
  whyNotReady: () => Promise<string | null>
  logger: Logger
  /** Ends streams and waits. */
  stopping: AbortSignal
}

export type ApiEnv = { Bindings: HttpBindings; Variables: { requestId: string; caller: Caller } }

export function createApi(options: ApiOptions): Hono<ApiEnv> {
  const { handlers, authenticate, events, metrics, logger } = options
  const app = new Hono<ApiEnv>()
  const openApi = JSON.stringify(openApiDocument())

  app.use(async (c, next) => {
    const given = c.req.header('x-request-id')
    c.set('requestId', given && /^[\w.:-]{1,128}$/.test(given) ? given : randomUUID())
    await next()
    c.res.headers.set('x-request-id', c.get('requestId'))
  })
  app.onError((error, c) => {
    const { code, detail } = failureOf(error)
    if (code === 'INTERNAL') logger.error({ err: error, request_id: c.get('requestId') }, 'a request failed')
    return problemResponse(code, detail, c.get('requestId'))
  })

  app.get('/healthz', (c) => c.json({ status: 'ok' }))
  app.get('/readyz', async (c) => {
    const why = await options.whyNotReady()
    return why === null ? c.json({ status: 'ok' }) : c.json({ status: 'failing', reason: why }, 503)
  })
  app.get('/metrics', async (c) => {
    const caller = isLoopback(c) ? undefined : callerOf(c, ['admin', 'reader'])
    if (caller instanceof Response) return caller
    return c.body(await metrics.text(), 200, { 'content-type': metrics.contentType })
  })
  app.get('/openapi.json', (c) => c.body(openApi, 200, { 'content-type': 'application/json' }))

  app.get(TOPOLOGY_EVENTS_PATH, (c) => {
    const caller = callerOf(c, EVENT_ROLES)
    if (caller instanceof Response) return caller
    const full = 'too many subscribers are connected; poll instead'
    return events.subscribe(c, routerOf(c)) ?? problemResponse('OVERLOADED', full, c.get('requestId'))
  })
  for (const name of Object.keys(OPERATIONS) as OperationName[]) mount(name, OPERATIONS[name])
  for (const [path, methods] of methodsByPath()) {
    app.all(path, (c) => {
      const caller = callerOf(c, ['admin', 'reader', 'router', 'host'])
      if (caller instanceof Response) return caller
      const detail = `${c.req.method} is not offered at this path; expected ${methods.join(' or ')}`
      const response = problemResponse('METHOD_NOT_ALLOWED', detail, c.get('requestId'))
      response.headers.set('allow', methods.join(', '))
      return response
    })
  }
  app.notFound((c) => {
    const caller = callerOf(c, ['admin', 'reader', 'router', 'host'])
    if (caller instanceof Response) return caller
    return problemResponse('NOT_FOUND', 'nothing is at this path; see /openapi.json', c.get('requestId'))
  })
  return app

  function mount(name: OperationName, operation: Operation): void {
    // One handler's types cannot follow a loop over all; the table and `Handlers` keep them in step.
    const handler = handlers[name] as unknown as (call: Call<OperationName>) => Promise<Reply<OperationName>>
    const limit = bodyLimit({
      maxSize: BODY_BYTES_MAX,
      onError(c) {
        const detail = `a body has at most ${BODY_BYTES_MAX} bytes`
        const response = problemResponse('BODY_TOO_LARGE', detail, c.get('requestId'))
        // The rest of the body is not read, so the connection cannot carry another request.
        response.headers.set('connection', 'close')
        return response
      },
    })
    app.on(operation.method, honoPath(operation.path), limit, async (c) => {
      const response = await answer(c, operation, handler)
      metrics.request(name, response.status)
      return response
    })
  }

  async function answer(
    c: Context<ApiEnv>,
    operation: Operation,
    handler: (call: Call<OperationName>) => Promise<Reply<OperationName>>,
  ): Promise<Response> {
    const requestId = c.get('requestId')
    const caller = callerOf(c, operation.roles)
    if (caller instanceof Response) return caller
    if (operation.method !== 'get' && !options.isWriter()) {
      const detail =
        'another replica holds the lease, or none does yet; changes and reports go to the one that does'
      return problemResponse('NOT_LEADER', detail, requestId)
    }
    const input = await readInput(c, operation)
    if (!input.ok) {
      const detail = `the request has ${input.problems.length === 1 ? 'a problem' : `${input.problems.length} problems`}`
      return problemResponse('INVALID_REQUEST', detail, requestId, input.problems)
    }
    if (needsForce(operation, input.value.body) && !caller.mayForce) {
      const detail = `"${caller.name}" may not exceed the blast-radius budget; that takes a token with may_force`
      return problemResponse('FORBIDDEN', detail, requestId)
    }
    const knownEtag = c.req.header('if-none-match')
    const signal = AbortSignal.any([c.req.raw.signal, options.stopping])
    let reply: Reply<OperationName>
    try {
      const call = { ...input.value, actor: caller.name, router: routerOf(c), knownEtag, signal }
      reply = await handler(call as Call<OperationName>)
    } catch (error) {
      const { code, detail } = failureOf(error)
      if (code === 'INTERNAL') logger.error({ err: error, request_id: requestId }, 'an operation failed')
      return problemResponse(code, detail, requestId)
    }
    if (!reply.ok) {
      const detail = reply.problems.map((one) => one.message).join('; ')
      return problemResponse(codeOf(reply.problems), detail, requestId, reply.problems)
    }
    if ('document' in reply) return documentResponse(reply.document, knownEtag)
    return operation.answer ? Response.json(reply.value) : new Response(null, { status: 204 })
  }

  function callerOf(c: Context<ApiEnv>, roles: readonly ApiRole[]): Caller | Response {
    const caller = authenticate(c.req.header('authorization'))
    const requestId = c.get('requestId')
    if (caller === 'TOKEN_MISSING') {
      return problemResponse(caller, 'send "Authorization: Bearer <token>"', requestId)
    }
    if (caller === 'TOKEN_INVALID') {
      return problemResponse(caller, 'the bearer token is malformed or unknown', requestId)
    }
    if (roles.includes(caller.role)) return caller
    const detail = `"${caller.name}" has the role ${caller.role}; expected ${roles.join(' or ')}`
    return problemResponse('FORBIDDEN', detail, requestId)
  }
}

function needsForce({ force }: Operation, body: unknown): boolean {
  return (
    force === 'always' || (force === 'asked' && (body as { force?: unknown } | undefined)?.force === true)
  )
}

function routerOf(c: Context<ApiEnv>): string | undefined {
  const name = c.req.header(ROUTER_HEADER)
  try {
    return name && decodeURIComponent(name)
  } catch {
    // Not what a router sends; whoever it is gets what the others get.
    return undefined
  }
}

function documentResponse(document: { text: string; etag: string }, knownEtag: string | undefined): Response {
  // `no-cache`: keep it, but ask each time; asking costs a 304.
  const headers = { etag: document.etag, 'cache-control': 'no-cache', 'content-type': 'application/json' }
  if (knownEtag === document.etag) return new Response(null, { status: 304, headers })
  return new Response(document.text, { headers })
}

function methodsByPath(): Map<string, string[]> {
  const methods = new Map<string, string[]>([[TOPOLOGY_EVENTS_PATH, ['GET']]])
  for (const { path, method } of Object.values<Operation>(OPERATIONS)) {
    methods.set(honoPath(path), [...(methods.get(honoPath(path)) ?? []), method.toUpperCase()])
  }
  return methods
}

function isLoopback(c: Context<ApiEnv>): boolean {
  const address = c.env.incoming.socket.remoteAddress ?? ''
  return address === '::1' || address.startsWith('127.') || address.startsWith('::ffff:127.')
}
