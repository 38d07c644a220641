/**
 * Room for requests that wait in memory, whatever they wait for: for their tenant's home to be switched (`holds.ts`), or for
 * a base that is under way (`base-waits.ts`). Both share one account, so that the limits in the configuration are those of the
 * process: so many at once, and so many of one tenant, since a busy one, or one that asks for ids that nobody gave it, leaves
 * room for the others.
 */
import type { RouterLimits } from '../config.ts'

export type WaitingRoom = {
  /** Takes a place. False when there is none, for anybody or for this tenant. */
  enter(tenant: string): boolean
  /** Gives back a place that was taken. */
  leave(tenant: string): void
}

export function createWaitingRoom(
  limits: Pick<RouterLimits, 'held_requests_max' | 'held_requests_per_tenant_max'>,
): WaitingRoom {
  /** By the tenant's key, for those who wait. */
  const places = new Map<string, number>()
  let taken = 0
  return {
    enter(tenant) {
      const own = places.get(tenant) ?? 0
      if (taken >= limits.held_requests_max || own >= limits.held_requests_per_tenant_max) return false
      places.set(tenant, own + 1)
      taken++
      return true
    },
    leave(tenant) {
      const own = places.get(tenant)! - 1
      if (own === 0) places.delete(tenant)
      else places.set(tenant, own)
      taken--
    },
  }
}
