/**
 * Whether trouble that seems to be over is over: calm counts where it was measured, and silence does not.
 *
 *     over = somebody measured throughout the last minutes
 *            and either the cell was asked in them
 *            or each router that was there when the trouble began measured throughout them as well
 *
 * A cell that only some routers send requests to, those of its zone say, looks calm as soon as they are not heard. And one
 * that nobody asks any more, since it was taken out, is calm for who would ask it.
 */
import type { CellBudget } from './evaluate.ts'
import { CALM_SECONDS } from './incidents.ts'
import type { Keeper } from './keeper.ts'

/** `since`: when it began, in ms since the epoch. */
export type Trouble = { readonly cell: string; readonly slo: string; readonly since: number }

export type IsOver = (trouble: Trouble) => Promise<boolean>

/** For one look, of which `budgets` are; each question is asked once. */
export function createEndings(
  keeper: Pick<Keeper, 'watched' | 'isMeasuredByAll'>,
  budgets: readonly CellBudget[],
  until: number,
): IsOver {
  const window = { until, seconds: CALM_SECONDS }
  const keyOf = (cell: string, slo: string) => `${cell} ${slo}`
  const asked = new Set(
    budgets.filter(({ recent }) => recent.total > 0).map((one) => keyOf(one.cell, one.slo.name)),
  )
  let measured: Promise<boolean> | undefined
  const byAllSince = new Map<number, Promise<boolean>>()

  function isMeasuredByAll(since: number): Promise<boolean> {
    const known = byAllSince.get(since)
    if (known) return known
    const found = keeper.isMeasuredByAll(window, since)
    byAllSince.set(since, found)
    return found
  }

  return async ({ cell, slo, since }) => {
    measured ??= keeper.watched.isMeasured(window)
    if (!(await measured)) return false
    return asked.has(keyOf(cell, slo)) || (await isMeasuredByAll(since))
  }
}
