/**
 * The consumer's guard: whether a router may follow a base that its control plane signed, when it changes too much at once.
 *
 * Cloudflare's outage of 18 November 2025 was a genuine document that nobody doubted. Here a router doubts the direct
 * successor of what it holds, by the budget of the base that it holds (what a document says of its own limits is no
 * limit), and refuses it unless the control plane marked it as forced by a person.
 *
 * A guard must not wedge a router, so everything else is taken: a first base; one that skips versions, since a router
 * that was away has no say in what happened meanwhile; and a new epoch, which a restored store begins.
 */
import { BUDGET_DEFAULTS, type Budget, type Problem } from '@cellplane/contract'
import type { PackedIndex } from '../topology/routing-index.ts'
import type { BaseHead, Snapshot } from '../topology/snapshot.ts'
import { budgetProblems } from './budget.ts'
import { type CheckedBase, checkedBase, checkTables } from './check-tables.ts'

/** What is kept of a held base to doubt its successor by: numbers and one array, so that it can go to a thread. */
export type GuardedBase = { epoch: number; version: number; budget: Budget; placed: CheckedBase }

/**
 * What is sent with each order to read a base, so it has of the cells what is compared and nothing else. The rows are copied:
 * a view would take all that the snapshot has with it when it goes to a thread.
 */
export function guardedBase({ base, ...index }: Snapshot): GuardedBase {
  const cells = base.cells.map(({ slot, id, zone, role, state, weight }) => {
    return { slot, id, zone, role, state, weight }
  })
  const placed = checkedBase(index, cells)
  return {
    epoch: base.epoch,
    version: base.version,
    budget: base.limits.budget ?? BUDGET_DEFAULTS,
    placed: { ...placed, rows: placed.rows.slice() },
  }
}

/** Why the base may not follow `held`; empty when it may. */
export function guardSuccessor(held: GuardedBase | undefined, next: BaseHead, index: PackedIndex): Problem[] {
  const isDirect = held?.epoch === next.epoch && held.version + 1 === next.version
  if (!isDirect || next.forced) return []
  return budgetProblems(checkTables(held.placed, checkedBase(index, next.cells), held.budget))
}
