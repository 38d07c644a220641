/**
 * The cell's metrics, in Prometheus' text format. Every series carries `cell`; none carries a tenant: tenants are many, and
 * each label value costs memory for ever. What one tenant did is in the log lines.
 */
import { Counter, Gauge, Histogram, Registry } from 'prom-client'
import type { CellConfig } from '../config.ts'

export type CellMetrics = {
  /** The service adds its own metrics here; the default labels come by themselves. */
  registry: Registry
  /**
   * Call the result once, when the answer is finished. `route` is the pattern (`/v1/orders/{id}`), never the path. What is
   * synthetic is counted nowhere: rates and latencies are those of tenants.
   */
  requestStarted(): (method: string, route: string, status: number, isSynthetic?: boolean) => void
}

/** Seconds. Around the 100 ms in which a person sees no delay, up to a router's default timeout of 30 s. */
const DURATION_BUCKETS_S = [0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10, 30]

export function createMetrics({ cell, component, release }: CellConfig): CellMetrics {
  const registry = new Registry()
  registry.setDefaultLabels({ cell, component })
  const registers = [registry]
  const requests = new Counter({
    name: 'cellplane_cell_requests_total',
    help: 'Requests answered.',
    labelNames: ['method', 'route', 'code_class'],
    registers,
  })
  const duration = new Histogram({
    name: 'cellplane_cell_request_duration_seconds',
    help: 'From the request’s headers to the end of the answer.',
    labelNames: ['route', 'code_class'],
    buckets: DURATION_BUCKETS_S,
    registers,
  })
  const inFlight = new Gauge({
    name: 'cellplane_cell_requests_in_flight',
    help: 'Requests being answered now.',
    registers,
  })
  const build = new Gauge({
    name: 'cellplane_cell_release_info',
    help: '1, with the release that runs.',
    labelNames: ['release'],
    registers,
  })
  build.set({ release }, 1)

  return {
    registry,
    requestStarted() {
      const startedAt = performance.now()
      inFlight.inc()
      return (method, route, status, isSynthetic = false) => {
        const code_class = `${Math.floor(status / 100)}xx`
        inFlight.dec()
        if (isSynthetic) return
        requests.inc({ method, route, code_class })
        duration.observe({ route, code_class }, (performance.now() - startedAt) / 1000)
      }
    },
  }
}

/** What became of this process's spans; there only with a receiver. */
export function countSpans(registry: Registry, counts: () => { exported: number; dropped: number }): void {
  const registers = [registry]
  new Counter({
    name: 'cellplane_cell_spans_exported_total',
    help: 'Spans that the receiver took.',
    registers,
    collect() {
      this.reset()
      this.inc(counts().exported)
    },
  })
  new Counter({
    name: 'cellplane_cell_spans_dropped_total',
    help: 'Spans that it did not take, or that found no room.',
    registers,
    collect() {
      this.reset()
      this.inc(counts().dropped)
    },
  })
}
