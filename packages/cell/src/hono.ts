/**
 * The kit in a Hono app: its own paths, admission, a logger for each request, and metrics and spans by route pattern.
 *
 *     const app = new Hono<CellEnv>()
 *     app.use(cellRoutes(cell))
 *     app.use('/v1/*', admitted(cell))
 *     app.get('/v1/orders/:id', (c) => c.json(orders.find(c.var.admission.tenant, c.req.param('id'))))
 */
import { type FailoverPolicy, HEADERS } from '@cellplane/contract/cell'
import type { MiddlewareHandler } from 'hono'
import { routePath } from 'hono/route'
import type { Admitted } from './admission/admit.ts'
import type { TraceContext } from './admission/trace-context.ts'
import type { Cell } from './cell.ts'
import type { Logger } from './observing/logger.ts'

/** The app's `Env`: what `admitted` puts into the context. */
export type CellEnv = { Variables: { admission: Admitted; logger: Logger; trace: TraceContext } }

/** Answers the kit's own paths, counts every other request and makes its span. Use it first. */
export function cellRoutes(cell: Cell): MiddlewareHandler {
  return async (c, next) => {
    const own = await cell.ownRoutes(c.req.method, c.req.path, c.req.raw.headers)
    if (own) return c.body(own.body, own.status as 200, own.headers)
    const finished = cell.metrics.requestStarted()
    const startedAt = performance.now()
    try {
      await next()
    } finally {
      // Before admission there is neither.
      const { admission, trace } = c.var as Partial<CellEnv['Variables']>
      const { method, path } = c.req
      const route = routePath(c, -1)
      const { status } = c.res
      finished(method, route, status, admission?.isSynthetic)
      cell.tracing.served({
        ...{ startedAt, method, path, route, status, tenant: admission?.tenant },
        trace: trace ?? c.req.header(HEADERS.traceparent),
      })
    }
  }
}

/** Lets only admitted requests through. `failover` must say what the fleet file says of these routes. */
export function admitted(cell: Cell, failover?: FailoverPolicy): MiddlewareHandler<CellEnv> {
  return async (c, next) => {
    const admission = await cell.admit(c.req.raw.headers, { method: c.req.method, failover })
    const logger = cell.loggerFor(admission)
    c.set('trace', admission.trace)
    if (!admission.ok) {
      const { problem, headers } = admission
      logger.info({ code: problem.code, method: c.req.method, path: c.req.path }, 'request refused')
      return c.body(JSON.stringify(problem), problem.status as 401, headers)
    }
    c.set('admission', admission)
    c.set('logger', logger)
    await next()
    c.header(HEADERS.requestId, admission.requestId)
    return undefined
  }
}
