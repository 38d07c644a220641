/** The control plane's own metrics, in the Prometheus text format. Gauges are read when they are asked for, so none can go stale. */
import { Counter, collectDefaultMetrics, Gauge, Registry } from 'prom-client'

export type MetricSources = {
  isLeader: () => boolean
  base: () => { epoch: number; version: number } | null
  overlay: () => { epoch: number; version: number } | null
  isFrozen: () => boolean
  subscribers: () => number
}

export type Metrics = ReturnType<typeof createMetrics>

export function createMetrics(sources: MetricSources) {
  const registry = new Registry()
  const registers = [registry]
  collectDefaultMetrics({ register: registry })
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
  gauge('is_frozen', '1 when automation does not act; /v1/status says why', () => Number(sources.isFrozen()))
  gauge('topology_epoch', 'Epoch of the published base', () => sources.base()?.epoch ?? 0)
  gauge('base_version', 'Version of the published base', () => sources.base()?.version ?? 0)
  gauge('overlay_version', 'Version of the published overlay', () => sources.overlay()?.version ?? 0)
  gauge('subscribers', 'Open streams of topology events', sources.subscribers)
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
  return {
    contentType: registry.contentType,
    text: () => registry.metrics(),
    request: (operation: string, status: number) => requests.inc({ operation, status }),
    invalidRow: (table: string) => invalidRows.inc({ table }),
    ignoredReport: (from: 'router' | 'host') => ignoredReports.inc({ from }),
  }
}
