/**
 * Whether a request is sent a second time, and where: another cell of the shard, if core lets this request go there after
 * what has reached the first one, and if the budgets agree. There are two: the failed cell's bounds what its outage adds
 * to the load of its neighbours, and the tenant's keeps one tenant's failing requests from using up everybody's.
 */
import { chooseCell, createRetryBudget, mayRetry } from '@cellplane/core'
import type { Cell } from '../cells/cell.ts'
import type { CellTarget, Wish } from './target.ts'
import type { Tenant, TenantShard } from './tenants.ts'

/** Null when the first attempt's outcome stands. `draw` as in `chooseCell`. */
export function pickSecondTarget(
  { view }: TenantShard,
  first: CellTarget,
  { route, method, hasIdempotencyKey }: Wish,
  sent: 'nothing' | 'something',
  draw: number,
): CellTarget | null {
  if (first.isNamed || !mayRetry(route.failover, method, hasIdempotencyKey, sent)) return null
  const index = chooseCell(view.snapshot, first.row, view.fitness, view.inFlight, draw, first.index)
  return index < 0 ? null : { ...first, index }
}

/** Whether the budgets have room for one more; when they do, it is counted. `now` in ms. */
export function takeRetry(tenant: Tenant, failed: Cell, now: number): boolean {
  tenant.retryBudget ??= createRetryBudget()
  return tenant.retryBudget.tryRetry(now) && failed.retryBudget.tryRetry(now)
}
