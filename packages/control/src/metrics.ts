/** The control plane's own metrics, in the Prometheus text format. Gauges are read when they are asked for, so none can go stale. */
import type { CellHealth, RouterFigures, Verdict } from '@cellplane/core'
import { Counter, collectDefaultMetrics, Gauge, Registry } from 'prom-client'
import { tenantSeries } from './tenants/tenant-series.ts'

/** Of prom-client's own, those whose names say counter and whose type is gauge; promtool objects to them. */
const MISNAMED = [
  'nodejs_active_handles_total',
  'nodejs_active_requests_total',
  'nodejs_active_resources_total',
]

const VERDICTS: readonly Verdict[] = ['healthy', 'suspect', 'unhealthy', 'unknown']

export type MetricSources = {
  isLeader: () => boolean
  base: () => { epoch: number; version: number } | null
  overlay: () => { epoch: number; version: number } | null
  automation: () => { is_frozen: boolean; problems: readonly string[] }
  quarantined: () => number
  subscribers: () => number
  healths: () => readonly { cell: string; health: CellHealth }[]
  tenantFigures: () => readonly RouterFigures[]
}

export type Metrics = ReturnType<typeof createMetrics>

export function createMetrics(sources: MetricSources) {
  const registry = new Registry()
  const registers = [registry]
  collectDefaultMetrics({ register: registry })
  for (const name of MISNAMED) registry.removeSingleMetric(name)
  const gauge = (name: string, help: string, read: () => number) =>
    new Gauge({
      name: `cellplane_control_${name}`,
      help,
      registers,
      collect() {
        this.set(read())
      },
    })
  gauge('is_leader', '1 when this replica holds the lease', () => Number(sources.isLeader()))
  gauge('is_frozen', '1 when automation holds something back on purpose; /v1/status says what and why', () =>
    Number(sources.automation().is_frozen),
  )
  gauge(
    'problems',
    'Parts of the control plane that try and cannot do their work; /v1/status says which and why',
    () => sources.automation().problems.length,
  )
  gauge('topology_epoch', 'Epoch of the published base', () => sources.base()?.epoch ?? 0)
  gauge('base_version', 'Version of the published base', () => sources.base()?.version ?? 0)
  gauge('overlay_version', 'Version of the published overlay', () => sources.overlay()?.version ?? 0)
  gauge('tenants_quarantined', 'Tenants in quarantine, as published', sources.quarantined)
  gauge('subscribers', 'Open streams of topology events', sources.subscribers)
  new Gauge({
    name: 'cellplane_cell_health',
    help: '1 for the verdict on the cell that holds, 0 for the others; /v1/status says why. None without the lease',
    labelNames: ['cell', 'verdict'],
    registers,
    collect() {
      this.reset()
      for (const { cell, health } of sources.healths()) {
        for (const verdict of VERDICTS) this.set({ cell, verdict }, Number(health.verdict === verdict))
      }
    },
  })
  const tenantGauge = (name: string, help: string, value: 'requests' | 'errors') =>
    new Gauge({
      name: `cellplane_tenant_recent_${name}`,
      help,
      labelNames: ['tenant'],
      registers,
      collect() {
        this.reset()
        for (const series of tenantSeries(sources.tenantFigures())) {
          this.set({ tenant: series.tenant }, series[value])
        }
      },
    })
  tenantGauge(
    'requests',
    'Attempts of the last seconds: the tenants that cost most, and all others',
    'requests',
  )
  tenantGauge('errors', 'Those of them that ended with 5xx or without an answer', 'errors')
  const requests = new Counter({
    name: 'cellplane_control_requests_total',
    help: 'API requests by operation and status',
    labelNames: ['operation', 'status'],
    registers,
  })
  const invalidRows = new Counter({
    name: 'cellplane_control_invalid_rows_total',
    help: 'Rows of the store that could not be read',
    labelNames: ['table'],
    registers,
  })
  const ignoredReports = new Counter({
    name: 'cellplane_control_ignored_reports_total',
    help: 'Reports that were refused although they were well formed',
    labelNames: ['from'],
    registers,
  })
  const s3Failures = new Counter({
    name: 'cellplane_control_s3_failures_total',
    help: 'Publications as objects that failed; /v1/status says why',
    registers,
  })
  const prometheusFailures = new Counter({
    name: 'cellplane_control_prometheus_failures_total',
    help: 'Questions that the Prometheus did not answer; /v1/status says why',
    registers,
  })
  return {
    contentType: registry.contentType,
    text: () => registry.metrics(),
    request: (operation: string, status: number) => requests.inc({ operation, status }),
    invalidRow: (table: string) => invalidRows.inc({ table }),
    s3Failure: () => s3Failures.inc(),
    prometheusFailure: () => prometheusFailures.inc(),
    ignoredReport: (from: 'router' | 'host') => ignoredReports.inc({ from }),
  }
}
