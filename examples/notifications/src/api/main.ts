/** The `api` component: takes tenants' requests and writes them down. Delivery is the worker's. */
import { createServer } from 'node:http'
import { cellConfigFromEnv, createCell, createLogger } from '@cellplane/cell'
import { getRequestListener } from '@hono/node-server'
import { Gauge } from 'prom-client'
import { openDatabase } from '../store/database.ts'
import { countHeld } from '../store/retention.ts'
import { createWaker } from '../store/wake.ts'
import { createApp } from './app.ts'
import { watchLoad } from './load.ts'

if (import.meta.main) await main()

async function main(): Promise<void> {
  const config = cellConfigFromEnv(process.env)
  if (!config.databaseUrl)
    throw new Error('$DATABASE_URL is not set; it is the cell’s own PostgreSQL, and the agent sets it')

  const logger = createLogger(config)
  const database = openDatabase({
    url: config.databaseUrl,
    name: 'api',
    connectionsMax: 4,
    onIdleError: (error) => logger.warn({ err: error }, 'lost a database connection'),
  })
  const cell = createCell(config, {
    logger,
    dependencies: { postgres: () => database.query('SELECT 1') },
    holdings: () => countHeld(database, config.retentionHours),
  })
  const load = watchLoad(database, config.capacity.queueDepth, (error) =>
    logger.warn({ err: error }, 'the queue could not be counted'),
  )
  new Gauge({
    name: 'notifications_queue_depth',
    help: 'Notifications that are not finished, as of the last count.',
    registers: [cell.metrics.registry],
    collect() {
      this.set(load.depth())
    },
  })

  const app = createApp({ cell, database, load, wake: createWaker(database) })
  const serving = await cell.serve(createServer(getRequestListener(app.fetch)))
  logger.info({ url: serving.url }, 'serving')
  await serving.stopped
  await database.close()
  await cell.tracing.stop()
  logger.info('stopped')
}
