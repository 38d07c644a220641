/** The API's routes and its one error handler. Everything below /v1 is admitted first. */
import type { Cell } from '@cellplane/cell'
import { admitted, type CellEnv, cellRoutes } from '@cellplane/cell/hono'
import { Hono } from 'hono'
import { type Database, isStoreUnavailable } from '../store/database.ts'
import type { Load } from './load.ts'
import { notificationRoutes } from './notifications.ts'
import { problemResponse, Refusal, refuse } from './problems.ts'
import { templateRoutes } from './templates.ts'

export type AppParts = { cell: Cell; database: Database; load: Load; wake: () => void }

export function createApp(parts: AppParts): Hono<CellEnv> {
  const { cell, database } = parts
  const app = new Hono<CellEnv>()
  app.use(cellRoutes(cell))
  app.use('/v1/*', admitted(cell))
  app.route('/v1/notifications', notificationRoutes(parts))
  app.route('/v1/templates', templateRoutes(database))
  app.notFound(() => {
    throw refuse('NOT_FOUND', 'there is nothing at this path')
  })
  app.onError((error, c) => {
    // Before admission there is neither.
    const { admission, logger = cell.logger } = c.var as Partial<CellEnv['Variables']>
    const about = { cell: cell.config.cell, ...(admission && { request_id: admission.requestId }) }
    if (error instanceof Refusal) return problemResponse(error.problem, about)
    if (isStoreUnavailable(error)) {
      logger.warn({ err: error }, 'the store did not answer')
      const detail =
        'this cell cannot reach its store at the moment; what you sent may or may not have been taken'
      return problemResponse(refuse('STORE_UNAVAILABLE', detail).problem, about)
    }
    logger.error({ err: error, method: c.req.method, path: c.req.path }, 'a request failed')
    return problemResponse(
      refuse('INTERNAL', 'this is our fault; the request id helps us to find it').problem,
      about,
    )
  })
  return app
}
