/**
 * Whether a request is sent a second time, and where.
 *
 * When a second attempt is made:
 * - Nothing reached the first cell (no connection, or it is full): at another cell of the shard, unless the route is the
 *   home's alone.
 * - The first cell may have had it (broken, timed out, or it answered 502, 503 or 504): at another cell, if core says
 *   that the request may be repeated and its body was kept.
 * - The first cell answered 421: it says that it processed nothing and that this router is behind. The topology is
 *   asked for, the cell is picked anew.
 * Where: at another cell of the shard; a tenant that was under way at a crash (`isSuspect`) at the quarantine cell
 * instead, if the fleet has one that can serve it, so that a request which crashes cells takes no second one of the shard
 * along.
 *
 * A request that names its cell is never sent to another one. Every second attempt needs the budgets' consent.
 * There are two: the failed cell's bounds what its outage adds to the load of its neighbours, and the tenant's keeps one
 * tenant's failing requests from using up everybody's.
 */
import {
  type CellTarget,
  chooseCell,
  createRetryBudget,
  mayRetry,
  shardOf,
  type Wish,
} from '@cellplane/core/data-plane'
import type { Cell } from '../cells/cell.ts'
import type { Tenant, TenantShard } from './tenants.ts'

/** By which a cell says that it processed nothing, as the tenant is not its own. */
export const MISDIRECTED = 421

/** Statuses by which a cell, or what stands in it, says that it could not serve. A 500 is an answer like another. */
export const isUnserved = (status: number) => status === 502 || status === 503 || status === 504

/** Null when the first attempt's outcome stands. `draw` as in `chooseCell`. */
export function pickSecondTarget(
  { view }: TenantShard,
  first: CellTarget,
  { route, method, hasIdempotencyKey }: Wish,
  sent: 'nothing' | 'something',
  isSuspect: boolean,
  draw: number,
): CellTarget | null {
  if (first.isNamed || !mayRetry(route.failover, method, hasIdempotencyKey, sent)) return null
  const { quarantineRow } = view.snapshot
  if (isSuspect && view.canQuarantine && first.row !== quarantineRow) {
    return {
      kind: 'cell',
      index: shardOf(view.snapshot, quarantineRow)[0]!,
      row: quarantineRow,
      isNamed: false,
    }
  }
  const index = chooseCell(view.snapshot, first.row, view.fitness, view.inFlight, draw, first.index)
  return index < 0 ? null : { ...first, index }
}

/** Whether both budgets have room for one more; only when they do, it is counted, in both. `now` in ms. */
export function takeRetry(tenant: Tenant, failed: Cell, now: number): boolean {
  tenant.retryBudget ??= createRetryBudget()
  if (!failed.retryBudget.hasRoom(now) || !tenant.retryBudget.tryRetry(now)) return false
  return failed.retryBudget.tryRetry(now)
}
