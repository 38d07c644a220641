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
  /** Of the shortest window. */
  readonly recent: Counts
  /** 1 untouched, 0 used up. */
  readonly left: number
  /** The conditions that hold, the most urgent first. */
  readonly burning: readonly Burning[]
}

const NOTHING: Counts = { total: 0, good: 0 }

/** For every cell that has metrics in any of the windows. `until` in ms since the epoch. */
export async function evaluateSlos(
  metrics: Pick<FleetMetrics, 'counts'>,
  slos: readonly Slo[],
  until: number,
): Promise<CellBudget[]> {
  const budgets: CellBudget[] = []
  for (const slo of slos) {
    const periodSeconds = periodSecondsOf(slo.period)
    const windows = await countWindows(metrics, slo, until)
    const [shortest] = windows.keys()
    const objective = { target: slo.target, periodSeconds }
    for (const cell of new Set([...windows.values()].flatMap((counts) => [...counts.keys()]))) {
      const countsOf = (seconds: number) => countsIn(windows, seconds, cell)
      const counts = countsOf(periodSeconds)
      budgets.push({
        ...{ cell, slo, counts },
        recent: countsOf(shortest!),
        left: budgetLeft(counts, slo.target),
        burning: burning(objective, countsOf),
      })
    }
  }
  return budgets
}

/** By their lengths, the shortest first. */
type Windows = ReadonlyMap<number, ReadonlyMap<string, Counts>>

/**
 * The windows are asked for all at once: one after the other, slow answers may take longer than looks are apart. The first
 * goes ahead, so that whoever does not answer is not asked for the others.
 */
async function countWindows(
  metrics: Pick<FleetMetrics, 'counts'>,
  slo: Slo,
  until: number,
): Promise<Windows> {
  const periodSeconds = periodSecondsOf(slo.period)
  const conditions = burnConditions(periodSeconds).flatMap((one) => [one.shortSeconds, one.longSeconds])
  const [shortest, ...longer] = [...new Set([...conditions, periodSeconds])].sort((a, b) => a - b)
  const ask = (seconds: number) => metrics.counts({ until, seconds }, slo)
  const counts = [await ask(shortest!)]
  const asked: Promise<ReadonlyMap<string, Counts>>[] = []
  for (const seconds of longer) {
    await letOthersRun()
    const answer = ask(seconds)
    // What fails is heard of below, and is not to end the process before.
    answer.catch(() => {})
    asked.push(answer)
  }
  counts.push(...(await Promise.all(asked)))
  return new Map([shortest!, ...longer].map((seconds, nth) => [seconds, counts[nth]!]))
}

/**
 * The answer for a long window may be some minutes old. A cell that it does not know came after it, so that the longest of
 * the shorter windows that know it has all of the cell.
 */
function countsIn(windows: Windows, seconds: number, cell: string): Counts {
  let found = NOTHING
  for (const [length, counts] of windows) if (length <= seconds) found = counts.get(cell) ?? found
  return found
}
