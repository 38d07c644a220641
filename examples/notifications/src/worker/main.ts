/** The `worker` component: delivers what the API accepted, and takes away what is past its retention. */
import { createServer } from 'node:http'
import {
  cellConfigFromEnv,
  createCellProcess,
  createLogger,
  isSyntheticTenant,
  pause,
  withOwnRoutes,
} from '@cellplane/cell/process'
import { Counter } from 'prom-client'
import { createEmailProvider } from '../providers/email.ts'
import { createHttpProvider } from '../providers/http.ts'
import { createNowhereProvider } from '../providers/nowhere.ts'
import { openDatabase } from '../store/database.ts'
import { leaseJobs, recordOutcomes } from '../store/queue.ts'
import { purgeBatch } from '../store/retention.ts'
import { listenForWork } from '../store/wake.ts'
import { workerConfigFromEnv } from './config.ts'
import { runDeliveries } from './delivery-loop.ts'
import { runPurges } from './purge-loop.ts'
import { createRecorder } from './recorder.ts'

if (import.meta.main) await main()

async function main(): Promise<void> {
  const config = cellConfigFromEnv(process.env)
  const workerConfig = workerConfigFromEnv(process.env)
  if (!config.databaseUrl)
    throw new Error('$DATABASE_URL is not set; it is the cell’s own PostgreSQL, and the agent sets it')

  const logger = createLogger(config)
  const database = openDatabase({
    url: config.databaseUrl,
    name: 'worker',
    connectionsMax: 2,
    onIdleError: (error) => logger.warn({ err: error }, 'lost a database connection'),
  })
  const cell = createCellProcess(config, {
    logger,
    dependencies: { postgres: () => database.query('SELECT 1') },
  })
  const outcomes = new Counter({
    name: 'notifications_outcomes_total',
    help: 'What came of deliveries.',
    labelNames: ['channel', 'status'],
    registers: [cell.metrics.registry],
  })
  const providers = {
    email: createEmailProvider({ url: workerConfig.smtpUrl, from: workerConfig.from }),
    sms: createHttpProvider(workerConfig.smsUrl),
    push: createHttpProvider(workerConfig.pushUrl),
  }
  const nowhere = createNowhereProvider()
  const listener = listenForWork(config.databaseUrl)
  const recorder = createRecorder(
    (group) => recordOutcomes(database, group),
    (error, count) =>
      logger.error({ err: error, count }, 'outcomes could not be written; their leases run out'),
  )

  const serving = await cell.serve(
    createServer(withOwnRoutes(cell, (_request, response) => response.writeHead(404).end())),
  )
  logger.info({ url: serving.url }, 'delivering')

  await Promise.all([
    runDeliveries(
      {
        config: workerConfig,
        providerOf: ({ tenant, channel }) => (isSyntheticTenant(tenant) ? nowhere : providers[channel]),
        lease: (limit, lease) => leaseJobs(database, limit, workerConfig.leaseMs, lease),
        recorder,
        tracing: cell.tracing,
        waitForWork: listener.wait,
        onOutcome: (job, { status, attempt }, trace) => {
          if (!isSyntheticTenant(job.tenant)) outcomes.inc({ channel: job.channel, status })
          const line = {
            tenant_id: job.tenant,
            trace_id: trace.traceId,
            span_id: trace.spanId,
            notification: job.id,
            attempt: job.attempt,
            detail: attempt?.detail,
          }
          if (status === 'delivered') logger.debug(line, status)
          else logger.info(line, status)
        },
        onError: (error) => logger.warn({ err: error }, 'the queue could not be read'),
      },
      cell.stop,
    ),
    runPurges(
      {
        purgeBatch: () => purgeBatch(database, config.retentionHours),
        intervalMs: workerConfig.purgeIntervalMs,
        pause,
        onPurged: (rows) => logger.info({ rows }, 'purged'),
        onError: (error) => logger.warn({ err: error }, 'a purge failed'),
      },
      cell.stop,
    ),
  ])
  for (const provider of Object.values(providers)) provider.close()
  await listener.stop()
  await serving.stopped
  await database.close()
  await cell.tracing.stop()
  logger.info('stopped')
}
