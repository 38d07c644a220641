/**
 * Where a request goes first, or why nowhere. A tenant that this router has suspended goes to the quarantine cell and to
 * no other, also with a request that names one: this is what its requests may take down.
 */
import { type CellTarget, DRAWS, pickTarget, type Wish } from '@cellplane/core'
import type { TenantShard } from '../decision/tenants.ts'
import { unavailable } from './failure.ts'
import type { Refusal } from './refusal.ts'

/** What chance decides about one request: see `chooseCell`. */
export const draw = () => Math.floor(Math.random() * DRAWS)

/** `draw` as in `chooseCell`. */
export function pickCell(shard: TenantShard, wish: Wish, draw: number): CellTarget | Refusal {
  const { view } = shard
  if (shard.isSuspended && !view.canQuarantine) return SUSPENDED
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

const SUSPENDED: Refusal = {
  code: 'TENANT_SUSPENDED',
  detail: 'requests of this tenant were under way when cells crashed; they are held off for a few minutes',
}
