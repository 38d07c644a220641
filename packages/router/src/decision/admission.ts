/**
 * What a tenant and a cell are given at most. A tenant's share of its home's capacity is the capacity over the shard
 * size (the guide's pitfall 3): then the tenants of a shard cannot be crowded out by one of them, wherever its requests
 * go. A cell without a declared capacity has no ceiling but the requests under way.
 *
 * Each router process holds the whole rate by itself; it is a bound on what one process lets through.
 */
import { BEYOND_RATE, takeToken } from '@cellplane/core'
import type { Cell } from '../cells/cell.ts'
import type { RoutingView } from './routing-view.ts'
import type { Tenant, TenantShard } from './tenants.ts'

/** A second's worth may come at once: clients work in bursts, and the ceiling is stated for a second. */
const BURST_SECONDS = 1

/** Whether one more request of the tenant fits; when it does, it is counted. `now` in ms. */
export function admitTenant(view: RoutingView, tenant: Tenant, { home }: TenantShard, now: number): boolean {
  const capacity = view.cells[home]!.requestsPerSecondMax
  if (capacity === 0) return true
  const rate = capacity / view.snapshot.shardSize
  const until = takeToken(tenant.admittedUntil, now, rate, Math.max(1, rate * BURST_SECONDS))
  if (until === BEYOND_RATE) return false
  tenant.admittedUntil = until
  return true
}

/** Whether one more request fits into the cell; when it does, it is counted against its rate. */
export function admitAtCell(cell: Cell, now: number): boolean {
  if (cell.inFlight >= cell.inFlightMax) {
    cell.counters.shed++
    return false
  }
  const rate = cell.requestsPerSecondMax
  if (rate === 0) return true
  const until = takeToken(cell.admittedUntil, now, rate, Math.max(1, rate * BURST_SECONDS))
  if (until === BEYOND_RATE) {
    cell.counters.shed++
    return false
  }
  cell.admittedUntil = until
  return true
}
