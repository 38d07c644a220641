/** What a check has to say against a change: each excess, in figures and in words. The budget itself is declared in the fleet file. */
import type { Budget, Problem } from '@cellplane/contract'

/** One thing that exceeds the budget. Shares are 0–1, counts are counts. */
export type Excess = {
  budget: keyof Budget
  value: number
  limit: number
  /** Whose loss, or whose change, it is. */
  cells: readonly string[]
  /** All of it in a sentence: what, how much, the limit, who is affected. */
  message: string
}

/** As problems of a plan or a document. `path` names the field of the fleet file. */
export function budgetProblems(excesses: readonly Excess[]): Problem[] {
  return excesses.map(({ budget, message }) => ({
    code: 'BUDGET_EXCEEDED',
    path: `budget.${budget}`,
    message,
  }))
}

/** `a` is what is planned and allowed when it is at most `b`, sums of shares being inexact. */
export function isOver(a: number, b: number): boolean {
  return a > b + 1e-9
}

export function percent(share: number): string {
  return `${Math.round(share * 1000) / 10} %`
}
