/**
 * What every process of a cell has: its place, logs, metrics, spans, health, and an orderly stop. A worker needs no more; a service
 * that takes tenants' requests needs admission too, which is `createCell`.
 *
 * Apart from it because a cell runs several processes, and token verification costs each that loads it some 5 MB.
 */
import type { Server } from 'node:http'
import type { Holdings } from '@cellplane/contract/cell'
import { createRouterSecrets, type RouterSecrets } from './admission/router-secrets.ts'
import type { CellConfig } from './config.ts'
import { createLogger, type Logger } from './observing/logger.ts'
import { type CellMetrics, countSpans, createMetrics } from './observing/metrics.ts'
import { createTracing, type Tracing } from './observing/tracing.ts'
import { createHealthCheck, type DependencyCheck } from './serving/health.ts'
import { createOwnRoutes, type OwnRoutes } from './serving/own-routes.ts'
import { type ServeOptions, type Serving, serve } from './serving/serve.ts'
import { stopOnSignals } from './serving/stop-signal.ts'

export type CellProcessOptions = {
  /** What the process cannot work without, by name: `{ postgres: () => pool.query('SELECT 1') }`. */
  dependencies?: Readonly<Record<string, DependencyCheck>>
  /** What the cell still holds; asked by the agent every few seconds. Left out when the service keeps nothing. */
  holdings?: () => Promise<Holdings>
  /** Left out: the logger writes to stdout. */
  logger?: Logger
  /** Left out: SIGTERM and SIGINT. */
  stop?: AbortSignal
}

export type CellProcess = {
  config: CellConfig
  logger: Logger
  metrics: CellMetrics
  tracing: Tracing
  /** Aborts when the process is to stop. */
  stop: AbortSignal
  /** Answers /healthz, /metrics and the holdings path; undefined for what is the service's. */
  ownRoutes: OwnRoutes
  /** Listens where the agent says, and stops when told to. See `serve`. */
  serve(server: Server, options?: Pick<ServeOptions, 'lameDuckMs' | 'drainTimeoutMs'>): Promise<Serving>
}

/** Throws when the router secrets cannot be read; everything else that may be missing at the start is waited for. */
export function createCellProcess(
  config: CellConfig,
  options: CellProcessOptions = {},
  secrets: RouterSecrets = createRouterSecrets(config.routerSecretFile),
): CellProcess {
  const logger = options.logger ?? createLogger(config)
  const metrics = createMetrics(config)
  const tracing = createTracing(config)
  if (config.tracesUrl !== undefined) countSpans(metrics.registry, tracing.counts)
  const stop = options.stop ?? stopOnSignals()
  const { cell, release } = config
  const checkHealth = createHealthCheck({
    cell,
    release,
    dependencies: options.dependencies ?? {},
    isStopping: () => stop.aborted,
  })
  return {
    config,
    logger,
    metrics,
    tracing,
    stop,
    ownRoutes: createOwnRoutes({ cell, checkHealth, metrics, secrets, holdings: options.holdings }),
    serve: (server, serveOptions) => serve(server, { ...config.listen, stop, ...serveOptions }),
  }
}
