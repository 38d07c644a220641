/**
 * Quarantine at home. A stateful tenant's data is in its home, so its requests cannot go to the quarantine cell. They are let
 * through at a fraction of its cap instead, and the others refused with 429; only routes that any cell may serve
 * (`failover: any`) are diverted to the quarantine cell, where there is one.
 */
import { type CellTarget, FITNESS_OUT, shardOf, type Wish } from '@cellplane/core/data-plane'
import { admitAtRate, createRateLimit } from './rate-limit.ts'
import type { RoutingView } from './routing-view.ts'
import type { Tenant, TenantShard } from './tenants.ts'

/** For a home that declares no ceiling: there is no cap to take a share of, and one a second still tells when it is well. */
const RATE_WITHOUT_CAP = 1

/**
 * Whether one more request of a tenant that is let through at `throttleShare` of its cap fits; when it does, it is counted.
 * `now` in ms.
 */
export function admitThrottled(
  tenant: Tenant,
  { view, home }: TenantShard,
  throttleShare: number,
  now: number,
): boolean {
  const capacity = view.cells[home]!.declared.requestsPerSecond
  const cap = (capacity / view.snapshot.shardSize) * tenant.share
  tenant.throttle ??= createRateLimit()
  return admitAtRate(tenant.throttle, capacity === 0 ? RATE_WITHOUT_CAP : cap * throttleShare, now)
}

/** The quarantine cell, for a request of a throttled tenant that it may serve; null for one that only the shard may. */
export function divertedTarget(view: RoutingView, { route, wantedCell }: Wish): CellTarget | null {
  const row = view.snapshot.quarantineRow
  if (row < 0 || route.failover !== 'any' || route.wantedSlot >= 0 || wantedCell !== undefined) return null
  const index = shardOf(view.snapshot, row)[0]!
  return view.fitness[index] === FITNESS_OUT ? null : { kind: 'cell', index, row, isNamed: false }
}
