/**
 * The budgets for second attempts: one for each cell, which bounds what an outage adds to the load of its neighbours,
 * and one for each tenant, so that one tenant's failing requests cannot use up everybody's. Both must agree.
 *
 * Tenants come and go; only the most recent are remembered.
 */
import { createRetryBudget, type RetryBudget } from '@cellplane/core'
import { monotonicNow } from '../clock.ts'

export type RetryBudgets = {
  /** Counts a first attempt. */
  request(slot: number, key: string): void
  /** Whether one more second attempt fits; when it does, it is counted. `slot` is the cell that failed. */
  tryRetry(slot: number, key: string): boolean
}

export function createRetryBudgets(tenantsMax: number): RetryBudgets {
  const cells = new Map<number, RetryBudget>()
  const tenants = new Map<string, RetryBudget>()

  function ofCell(slot: number): RetryBudget {
    const budget = cells.get(slot) ?? createRetryBudget()
    cells.set(slot, budget)
    return budget
  }

  /** A Map keeps the order of insertion; taking out and putting back makes that the order of use. */
  function ofTenant(key: string): RetryBudget {
    const budget = tenants.get(key) ?? createRetryBudget()
    tenants.delete(key)
    if (tenants.size >= tenantsMax) tenants.delete(tenants.keys().next().value!)
    tenants.set(key, budget)
    return budget
  }

  return {
    request(slot, key) {
      const now = monotonicNow()
      ofCell(slot).request(now)
      ofTenant(key).request(now)
    },
    tryRetry(slot, key) {
      const now = monotonicNow()
      return ofTenant(key).tryRetry(now) && ofCell(slot).tryRetry(now)
    },
  }
}
