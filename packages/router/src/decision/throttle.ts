/**
 * Quarantine at home. A stateful tenant's data is in its home, so its requests cannot go to the quarantine cell. They are let
 * through at a fraction of its cap instead, and the others refused with 429; only routes that any cell may serve
 * (`failover: any`) are diverted to the quarantine cell, where there is one.
 */
import { BEYOND_RATE, takeToken } from '@cellplane/contract'
import { type CellTarget, FITNESS_OUT, shardOf, type Wish } from '@cellplane/core/data-plane'
import type { RoutingView } from './routing-view.ts'

/** Of one tenant, by one view. */
export type Throttle = { readonly ratePerSecond: number; admittedUntil: number }

/** For a home that declares no ceiling: there is no cap to take a share of, and one a second still tells when it is well. */
const RATE_WITHOUT_CAP = 1

/** Null for a tenant that is not throttled. `share`: this process's of the tenant's cap. */
export function throttleOf(view: RoutingView, key: string, home: number, share: number): Throttle | null {
  const rateShare = view.throttled.get(key)
  if (rateShare === undefined) return null
  const capacity = view.cells[home]!.declared.requestsPerSecond
  const cap = (capacity / view.snapshot.shardSize) * share
  return { ratePerSecond: capacity === 0 ? RATE_WITHOUT_CAP : cap * rateShare, admittedUntil: 0 }
}

/** Whether one more request fits; when it does, it is counted. `now` in ms. */
export function admitThrottled(throttle: Throttle, now: number): boolean {
  const { ratePerSecond } = throttle
  const until = takeToken(throttle.admittedUntil, now, ratePerSecond, Math.max(1, ratePerSecond))
  if (until === BEYOND_RATE) return false
  throttle.admittedUntil = until
  return true
}

/** The quarantine cell, for a request of a throttled tenant that it may serve; null for one that only the shard may. */
export function divertedTarget(view: RoutingView, { route, wantedCell }: Wish): CellTarget | null {
  const row = view.snapshot.quarantineRow
  if (row < 0 || route.failover !== 'any' || route.wantedSlot >= 0 || wantedCell !== undefined) return null
  const index = shardOf(view.snapshot, row)[0]!
  return view.fitness[index] === FITNESS_OUT ? null : { kind: 'cell', index, row, isNamed: false }
}
