/**
 * What an export is made from: where a fleet's metrics are, and what its cells are held to. Everything that is written
 * follows from it and from nothing else, so an export that is made again changes only where the fleet did.
 */

/** An address that Prometheus scrapes: `http://127.0.0.1:7401`. */
export type Target = { readonly name: string; readonly url: string }

export type MonitoredCell = {
  readonly id: string
  readonly zone: string
  /** Of the component that serves; null while it has none. */
  readonly url: string | null
}

/** What a good request is, in the words of the fleet file. */
export type MonitoredIndicator =
  | { readonly indicator: 'availability' }
  | { readonly indicator: 'latency'; readonly threshold_ms: number }
  | { readonly indicator: 'saturation'; readonly threshold_share: number }

/** What is promised of good requests, whichever they are. */
export type BurnTarget = {
  readonly name: string
  /** Share of good requests, above 0 and below 1. */
  readonly target: number
  /** What the error budget is for. */
  readonly periodSeconds: number
}

export type MonitoredSlo = BurnTarget & MonitoredIndicator

export type MonitoredFleet = {
  readonly fleet: string
  readonly slos: readonly MonitoredSlo[]
  readonly cells: readonly MonitoredCell[]
  readonly routers: readonly Target[]
  readonly controls: readonly Target[]
  /** File with a reader's token, as Prometheus finds it; null where the control plane is on the same machine and asks for none. */
  readonly controlTokenFile: string | null
  /** `host:port` of the Alertmanager. */
  readonly alertmanager: string
  /** Where alerts go; null: to be filled in by hand. */
  readonly webhookUrl: string | null
  /**
   * All times of the export (windows, intervals, waits) are divided by this; factors stay as they are. 1 in production.
   * A drill or a test with 20 sees in three seconds what takes a minute otherwise.
   */
  readonly timeScale: number
}

/** Jobs of the scrape configuration; rules and dashboards select by them. */
export const ROUTERS_JOB = 'cellplane-routers'
export const CONTROL_JOB = 'cellplane-control'
export const CELLS_JOB = 'cellplane-cells'
