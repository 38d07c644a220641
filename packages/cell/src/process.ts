/** @cellplane/cell/process: the kit for a process that takes no tenants' requests, such as a worker. A part of `@cellplane/cell`. */
export {
  HEADERS,
  type Holdings,
  isSyntheticTenant,
  PROBLEM_CONTENT_TYPE,
  type ProblemCode,
  type ProblemDetails,
  problemDetails,
  SYNTHETIC_TENANT_PREFIX,
  slotOfId,
} from '@cellplane/contract/cell'
export { continueTrace, formatTraceparent, type TraceContext } from './admission/trace-context.ts'
export { type CellProcess, type CellProcessOptions, createCellProcess } from './cell-process.ts'
export { type CellConfig, cellConfigFromEnv } from './config.ts'
export { withOwnRoutes } from './node.ts'
export { createLogger, type Logger } from './observing/logger.ts'
export { type CellMetrics, createMetrics } from './observing/metrics.ts'
export type { OpenSpan, ServedRequest, SpanAbout, Tracing } from './observing/tracing.ts'
export type { DependencyCheck } from './serving/health.ts'
export { type Answer, HEALTH_PATH, METRICS_PATH, type OwnRoutes } from './serving/own-routes.ts'
export { pause } from './serving/pause.ts'
export { type ServeOptions, type Serving, serve } from './serving/serve.ts'
export { stopOnSignals } from './serving/stop-signal.ts'
