/**
 * Objectives against metrics: what is left of each cell's budget, and which burn conditions hold. Each window is asked for once.
 * All windows of 100 cells take some 90 ms of one core, so others have their turn between them.
 */
import { setImmediate as letOthersRun } from 'node:timers/promises'
import { periodSecondsOf, type Slo } from '@cellplane/contract'
import { type Burning, budgetLeft, burnConditions, burning, type Counts } from '@cellplane/core'
import { type FleetMetrics, LATENCY_BOUNDS_S, type Window } from '@cellplane/telemetry'

/** How one cell stands to one objective. */
export type CellBudget = {
  readonly cell: string
  readonly slo: Slo
  /** Of the objective's whole period. */
  readonly counts: Counts
  /** 1 untouched, 0 used up. */
  readonly left: number
  /** The conditions that hold, the most urgent first. */
  readonly burning: readonly Burning[]
}

const NOTHING: Counts = { total: 0, good: 0 }

/** For every cell that has metrics within the period. `until` in ms since the epoch. */
export async function evaluateSlos(
  metrics: FleetMetrics,
  slos: readonly Slo[],
  until: number,
): Promise<CellBudget[]> {
  const budgets: CellBudget[] = []
  for (const slo of slos) {
    const periodSeconds = periodSecondsOf(slo.period)
    const windows = new Map<number, ReadonlyMap<string, Counts>>()
    const lengths = burnConditions(periodSeconds).flatMap((one) => [one.shortSeconds, one.longSeconds])
    for (const seconds of new Set([...lengths, periodSeconds])) {
      await letOthersRun()
      windows.set(seconds, await indicatorCounts(metrics, slo, { until, seconds }))
    }
    const objective = { target: slo.target, periodSeconds }
    for (const [cell, counts] of windows.get(periodSeconds)!) {
      budgets.push({
        cell,
        slo,
        counts,
        left: budgetLeft(counts, slo.target),
        burning: burning(objective, (seconds) => windows.get(seconds)!.get(cell) ?? NOTHING),
      })
    }
  }
  return budgets
}

/** By cell: the requests that the indicator is about, and the good ones. */
export async function indicatorCounts(
  metrics: FleetMetrics,
  slo: Slo,
  window: Window,
): Promise<ReadonlyMap<string, Counts>> {
  if (slo.indicator === 'availability') return await metrics.counts(window)
  const bucket = LATENCY_BOUNDS_S.findIndex((seconds) => seconds * 1_000 >= slo.threshold_ms)
  const latencies = await metrics.latencies(window)
  return new Map(
    Array.from(latencies, ([cell, { counts }]) => [
      cell,
      { total: counts.at(-1) ?? 0, good: counts[bucket] ?? 0 },
    ]),
  )
}

/** `indicatorCounts` of consecutive steps, oldest first, the last of which ends at `until`: all cells by one question. */
export async function indicatorCountsOverTime(
  metrics: FleetMetrics,
  slo: Slo,
  { until, seconds }: Window,
  stepSeconds: number,
): Promise<ReadonlyMap<string, readonly Counts[]>> {
  await letOthersRun()
  if (slo.indicator === 'availability') return await metrics.countsOverTime({ until, seconds }, stepSeconds)
  const steps = Math.ceil(seconds / stepSeconds)
  const overTime = new Map<string, Counts[]>()
  for (let step = 0; step < steps; step++) {
    const end = until - (steps - 1 - step) * stepSeconds * 1_000
    for (const [cell, counts] of await indicatorCounts(metrics, slo, { until: end, seconds: stepSeconds })) {
      const row = overTime.get(cell) ?? new Array<Counts>(steps).fill(NOTHING)
      row[step] = counts
      overTime.set(cell, row)
    }
    await letOthersRun()
  }
  return overTime
}
