/**
 * Where a request goes first, or why nowhere. A tenant that this router has suspended goes to the quarantine cell and to
 * no other, also with a request that names one: this is what its requests may take down. One that is in quarantine at
 * home is throttled there.
 */
import { type CellTarget, DRAWS, pickTarget, type Wish } from '@cellplane/core/data-plane'
import { monotonicNow } from '../clock.ts'
import type { Tenant, TenantShard } from '../decision/tenants.ts'
import { admitThrottled, divertedTarget } from '../decision/throttle.ts'
import { unavailable } from './failure.ts'
import type { Refusal } from './refusal.ts'

/** What chance decides about one request: see `chooseCell`. */
export const draw = () => Math.floor(Math.random() * DRAWS)

/** `draw` as in `chooseCell`. */
export function pickCell(tenant: Tenant, shard: TenantShard, wish: Wish, draw: number): CellTarget | Refusal {
  const { view, throttleShare } = shard
  if (shard.isSuspended && !view.canQuarantine) return SUSPENDED
  if (throttleShare !== null) {
    const diverted = divertedTarget(view, wish)
    if (diverted) return diverted
    if (!admitThrottled(tenant, shard, throttleShare, monotonicNow())) return THROTTLED
  }
  const target = pickTarget(view, shard, wish, draw)
  switch (target.kind) {
    case 'cell':
      return shard.isSuspended && target.index !== shard.home ? SUSPENDED : target
    case 'refused':
      return { code: 'INVALID_REQUEST', detail: target.detail }
    case 'down':
      return unavailable(view.cells[target.index]!)
  }
}

const THROTTLED: Refusal = {
  code: 'TOO_MANY_REQUESTS',
  detail:
    'this tenant is in quarantine: its requests fail, or crash cells, and only a few of them are let through',
}

const SUSPENDED: Refusal = {
  code: 'TENANT_SUSPENDED',
  detail: 'requests of this tenant were under way when cells crashed; they are held off for a few minutes',
}
