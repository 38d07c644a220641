/**
 * The questions that views, alerts and reports ask of a fleet's metrics, whoever keeps them: the rolling store inside
 * the control plane, or a Prometheus. Both are held to one conformance suite.
 *
 * A window is the time (until − seconds, until]; times are ms since the epoch. Cells without a sample in it are left
 * out of an answer. Counts are of attempts at the cell, as routers saw them; those of saturation are also of the requests
 * that became none, because a ceiling of the cell turned them away.
 */
import type { Slo } from '@cellplane/contract'
import type { Counts } from '@cellplane/core'

export type Window = { readonly until: number; readonly seconds: number }

/** Cumulative from below, as Prometheus has it: `counts[i]` events took at most `LATENCY_BOUNDS_S[i]`; the last is all of them. */
export type Latencies = { readonly counts: readonly number[]; readonly sumSeconds: number }

/** Of which requests the good ones are counted, and what is good: an objective without what is promised. */
export type Indicator = IndicatorOf<Slo>
type IndicatorOf<S extends Slo> = S extends Slo ? Omit<S, 'name' | 'target' | 'period'> : never

export type FleetMetrics = {
  /** A window that is shorter may have no sample in it, and so has a step that is no multiple of it. */
  readonly stepSeconds: number
  /** By cell: how many requests, and how many of them were good. Without an indicator: answered, and not with 5xx. */
  counts(window: Window, indicator?: Indicator): Promise<ReadonlyMap<string, Counts>>
  /** By cell: how long it was until the answers began. */
  latencies(window: Window): Promise<ReadonlyMap<string, Latencies>>
  /** By cell: the most requests under way at once, of the samples in the window. */
  inFlightMax(window: Window): Promise<ReadonlyMap<string, number>>
  /** `counts` of consecutive windows of `stepSeconds`, the last of which ends at `until`: for plots and heatmaps. */
  countsOverTime(
    window: Window,
    stepSeconds: number,
    indicator?: Indicator,
  ): Promise<ReadonlyMap<string, readonly Counts[]>>
  /** Whether somebody measured in each minute of the window: where nobody did, silence says nothing. */
  isMeasured(window: Window): Promise<boolean>
}

export const AVAILABILITY: Indicator = { indicator: 'availability' }
/** Of a window that is to be measured throughout. Longer than routers' reports, and scrapes, are apart. */
export const MEASURED_SECONDS = 60

/**
 * The quantile of a histogram, as PromQL's histogram_quantile reckons it: linear inside a bucket, and the highest bound
 * for what is above it. NaN without events.
 */
export function quantileOf({ counts }: Latencies, bounds: readonly number[], quantile: number): number {
  const total = counts.at(-1) ?? 0
  if (total === 0) return Number.NaN
  const rank = quantile * total
  const bucket = counts.findIndex((count) => count >= rank)
  if (bucket >= bounds.length) return bounds.at(-1)!
  const below = bucket === 0 ? 0 : counts[bucket - 1]!
  const from = bucket === 0 ? 0 : bounds[bucket - 1]!
  const inside = counts[bucket]! - below
  return inside === 0 ? bounds[bucket]! : from + ((bounds[bucket]! - from) * (rank - below)) / inside
}
