/**
 * Objectives against metrics: what is left of each cell's budget, and which burn conditions hold. Each window is asked for once.
 * A thousand cells take some 100 ms of one core, so others have their turn between windows.
 */
import { setImmediate as letOthersRun } from 'node:timers/promises'
import { periodSecondsOf, type Slo } from '@cellplane/contract'
import { type Burning, budgetLeft, burnConditions, burning, type Counts } from '@cellplane/core'
import type { FleetMetrics } from '@cellplane/telemetry'

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
  metrics: Pick<FleetMetrics, 'counts'>,
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
      windows.set(seconds, await metrics.counts({ until, seconds }, slo))
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
