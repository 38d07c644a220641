/** @cellplane/telemetry: what is kept of a fleet's metrics, and the questions that are asked of it. */
export { BURN_ALERTS, burnAnnotations, burnLabels } from './export/burn-rules.ts'
export * from './fleet-metrics.ts'
export { MetricsUnavailable, type PrometheusOptions } from './prometheus/ask.ts'
export { createPrometheusMetrics, type PrometheusMetrics } from './prometheus/prometheus-metrics.ts'
export { LATENCY_BOUNDS_S, type Sample } from './rolling/columns.ts'
export { type Journal, openJournal } from './rolling/journal.ts'
export {
  COARSE_KEPT_SECONDS,
  COARSE_SECONDS,
  createRollingStore,
  FINE_SECONDS,
  type RollingStore,
} from './rolling/rolling-store.ts'
