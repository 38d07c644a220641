/**
 * Metrics that a Prometheus keeps, which scrapes the routers itself: nothing is kept here, and every replica gets the same
 * answers, however often the lease changes hands.
 *
 * One that answers, and has nothing of this fleet, would look like calm for ever. So what routers report is held against it:
 * they have cells to report, and it knows of none.
 */
import { createPrometheusMetrics, MEASURED_SECONDS, type PrometheusOptions } from '@cellplane/telemetry'
import type { Keeper } from './keeper.ts'
import { rememberLongWindows } from './long-windows.ts'

/** A fleet that has just begun has no two scrapes of its routers yet, and a target that is found late none at all. */
const UNMEASURED_MS_MAX = 5 * 60_000

export function keptByPrometheus(options: PrometheusOptions & { fleet: string }): Keeper {
  const watched = createPrometheusMetrics(options)
  /** Since the last look. */
  let areCellsReported = false
  /** The first of the looks in a row at which routers reported cells and nothing was measured. */
  let unmeasuredSince: number | null = null

  return {
    metrics: createPrometheusMetrics(options),
    watched,
    windows: { counts: rememberLongWindows(watched.counts) },
    isMeasuredByAll: watched.isMeasuredByAll,
    async whyUnmeasured(until) {
      const isAmiss = areCellsReported && !(await watched.isMeasured({ until, seconds: MEASURED_SECONDS }))
      areCellsReported = false
      unmeasuredSince = isAmiss ? (unmeasuredSince ?? until) : null
      if (unmeasuredSince === null || until - unmeasuredSince < UNMEASURED_MS_MAX) return null
      return `routers report, and the Prometheus at ${options.url} has measured nothing of them for five minutes, so that no alert comes and none ends; see whether it scrapes their admin ports, at most 30 s apart, and whether the series have the label fleet="${options.fleet}"`
    },
    isShared: true,
    record({ cells }) {
      areCellsReported ||= cells.length > 0
    },
    recordLevels() {},
    forget() {},
    restored: Promise.resolve(),
    async save() {},
  }
}
