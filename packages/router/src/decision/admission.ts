/**
 * What a tenant and a cell are given at most.
 *
 * A tenant's share of its home's capacity is the capacity over the shard size (the guide's pitfall 3): then the tenants of
 * a shard cannot be crowded out by one of them, wherever its requests go.
 *
 * A cell has ceilings on requests a second, on requests under way, and on those of them that wait for their answers,
 * which its latencies tell (core's adaptive limit). A cell that declares nothing still has the last. Each priority may fill
 * its share of them, so low is shed while normal still passes; by rate this share is of the burst, so that low stops when
 * little of it is left and all of the lasting rate goes to the others.
 *
 * Where several router processes run, each holds its share of what comes near its limit, and the whole of all else: see
 * `limit-shares.ts`. A share is put in force when it changes, so a request finds numbers that are ready.
 *
 * There is no queue here. A request beyond a ceiling goes to the alternate or is answered 503 at once: the cell has a
 * queue of its own inside the ceiling, and a second one adds its wait to every answer and nothing to the goodput
 * (`npm run bench:admission-queue`).
 */
import { BEYOND_RATE, takeToken } from '@cellplane/contract'
import { loweredShare, type MatchedRoute } from '@cellplane/core/data-plane'
import type { Cell } from '../cells/cell.ts'
import type { RequestHead } from '../http/request-head.ts'
import { admitAtRate, burstOf } from './rate-limit.ts'
import type { RoutingView } from './routing-view.ts'
import { countLetIn, countTurnedAway } from './saturation.ts'
import type { Tenant, TenantShard } from './tenants.ts'

/** Whether one more request of the tenant fits; when it does, it is counted. `now` in ms. */
export function admitTenant(view: RoutingView, tenant: Tenant, { home }: TenantShard, now: number): boolean {
  const capacity = view.cells[home]!.declared.requestsPerSecond
  if (capacity === 0) return true
  tenant.arrived++
  return admitAtRate(tenant.cap, (capacity / view.snapshot.shardSize) * tenant.share, now)
}

/**
 * Whether one more request of the route fits into the cell; when it does, it is counted against its rate. How full it found
 * the cell is counted either way.
 */
export function admitAtCell(
  cell: Cell,
  route: MatchedRoute,
  { isBackground }: Pick<RequestHead, 'isBackground'>,
  now: number,
): boolean {
  cell.arrived++
  const share = isBackground ? loweredShare(route.ceilingShare) : route.ceilingShare
  // Of a ceiling of 1 every share is something: with nothing under way, everyone fits.
  if (isFull(cell, share)) {
    countTurnedAway(cell)
    return false
  }
  const rate = cell.requestsPerSecondMax
  if (rate === 0) {
    countLetIn(cell)
    return true
  }
  const until = takeToken(cell.admittedUntil, now, rate, burstOf(rate, share))
  if (until === BEYOND_RATE) {
    cell.adaptive?.pressed()
    countTurnedAway(cell)
    return false
  }
  cell.admittedUntil = until
  countLetIn(cell)
  return true
}

/** Whether one more would fit, for who can wait or do without it: nothing is counted, nor pressed. `share` of the ceilings. */
export function hasRoomAtCell(cell: Cell, share: number, now: number): boolean {
  if (isFull(cell, share)) return false
  const rate = cell.requestsPerSecondMax
  if (rate === 0) return true
  return takeToken(cell.admittedUntil, now, rate, burstOf(rate, share)) !== BEYOND_RATE
}

/** A stream holds a place under way for as long as it lasts, and waits only until it begins. */
function isFull({ inFlight, inFlightMax, waiting, adaptive }: Cell, share: number): boolean {
  return inFlight >= inFlightMax * share || (adaptive !== null && waiting >= adaptive.ceiling * share)
}

/** Requests that may be under way at the cell, from this process, when none of their answers has begun. */
export function inFlightCeiling({ inFlightMax, adaptive }: Cell): number {
  return adaptive === null ? inFlightMax : Math.min(inFlightMax, adaptive.ceiling)
}
