/**
 * Metrics that a Prometheus keeps, which scrapes the routers itself: nothing is kept here, and every replica gets the same
 * answers, however often the lease changes hands.
 */
import { createPrometheusMetrics, type PrometheusOptions } from '@cellplane/telemetry'
import type { Keeper } from './keeper.ts'
import { rememberLongWindows } from './long-windows.ts'

export function keptByPrometheus(options: PrometheusOptions & { fleet: string }): Keeper {
  const metrics = createPrometheusMetrics(options)
  return {
    metrics,
    windows: { counts: rememberLongWindows(metrics.counts) },
    isShared: true,
    record() {},
    recordLevels() {},
    forget() {},
    restored: Promise.resolve(),
    async save() {},
  }
}
