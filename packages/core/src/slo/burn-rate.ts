/**
 * Burn rates: how fast a cell uses up its error budget, and when that is worth waking somebody for.
 *
 * A budget is what the objective leaves: at 99.9 % one request in a thousand may fail over the period. A burn rate of 1
 * uses up exactly the budget in exactly the period; of 14.4, two per cent of a month's budget in an hour. An alert looks
 * at two windows at once (Google, The Site Reliability Workbook, chapter 5): the long one says that it matters, the short
 * one that it still goes on, so that the alert ends soon after the trouble does.
 *
 * For 30 days the factors are 14.4, 6, 3 and 1. For another period a condition keeps its windows and the share of the
 * budget that it stands for, and the factor follows from them.
 *
 *     factor = share of the budget × period / long window
 */

/** Events of one window: requests, and those of them that were good. */
export type Counts = { readonly total: number; readonly good: number }

export type Severity = 'page' | 'ticket'

export type BurnCondition = {
  readonly severity: Severity
  readonly shortSeconds: number
  readonly longSeconds: number
  /** The burn rate that both windows are to be above. */
  readonly factor: number
}

export type Objective = {
  /** Share of good events, above 0 and below 1: 0.999. */
  readonly target: number
  /** What the budget is for. */
  readonly periodSeconds: number
}

const MINUTE = 60
const HOUR = 60 * MINUTE
const DAY = 24 * HOUR

const WORKBOOK: readonly Omit<BurnCondition & { budgetShare: number }, 'factor'>[] = [
  { severity: 'page', shortSeconds: 5 * MINUTE, longSeconds: HOUR, budgetShare: 0.02 },
  { severity: 'page', shortSeconds: 30 * MINUTE, longSeconds: 6 * HOUR, budgetShare: 0.05 },
  { severity: 'ticket', shortSeconds: 2 * HOUR, longSeconds: DAY, budgetShare: 0.1 },
  { severity: 'ticket', shortSeconds: 6 * HOUR, longSeconds: 3 * DAY, budgetShare: 0.1 },
]

/** A burn below this never uses the budget up, however short the period is. */
const FACTOR_MIN = 1

/** The conditions of a period, the most urgent first. Windows longer than the period are left out. */
export function burnConditions(periodSeconds: number): BurnCondition[] {
  return WORKBOOK.filter(({ longSeconds }) => longSeconds <= periodSeconds).map(
    ({ budgetShare, severity, shortSeconds, longSeconds }) => ({
      severity,
      shortSeconds,
      longSeconds,
      factor: Math.max(FACTOR_MIN, (budgetShare * periodSeconds) / longSeconds),
    }),
  )
}

/** 0 without events: silence burns nothing, and that a cell is silent is another signal's to say. */
export function burnRate({ total, good }: Counts, target: number): number {
  return total > 0 ? (total - good) / total / (1 - target) : 0
}

/** What is left of the budget: 1 = untouched, 0 = used up, below 0 = overdrawn. `counts` are those of the period. */
export function budgetLeft(counts: Counts, target: number): number {
  return 1 - burnRate(counts, target)
}

export type Burning = BurnCondition & { readonly shortRate: number; readonly longRate: number }

/**
 * The conditions that hold now, the most urgent first. `countsOf` gives the events of the last so many seconds.
 * Windows that are asked for twice are asked for twice: they are cheap, or the caller remembers them.
 */
export function burning(objective: Objective, countsOf: (windowSeconds: number) => Counts): Burning[] {
  return burnConditions(objective.periodSeconds).flatMap((condition) => {
    const shortRate = burnRate(countsOf(condition.shortSeconds), objective.target)
    if (shortRate <= condition.factor) return []
    const longRate = burnRate(countsOf(condition.longSeconds), objective.target)
    return longRate > condition.factor ? [{ ...condition, shortRate, longRate }] : []
  })
}
