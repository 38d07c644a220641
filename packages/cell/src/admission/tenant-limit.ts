/**
 * A tenant's cap, at the cell: so many requests a second, and a second's worth at once.
 *
 * Routers hold a cap by shares, which follow the traffic within seconds. Where all of a tenant's requests come to one
 * process (the home of a stateful fleet, a shard of one cell), that process can count them all, and its cap is exact at
 * every moment. In a shard of several cells it is what the tenant may have of this one.
 *
 * Memory is bounded: the tenant that was let through longest ago is forgotten first. It loses nothing by that, unless
 * more than TENANTS_MAX were let through within a second.
 */
import { BEYOND_RATE, takeToken, tokenWaitMs } from '@cellplane/contract/cell'

/** One number and a name each: some 2 MB. More than a cell that is not overloaded serves in a second. */
const TENANTS_MAX = 10_000

/** As routers have it: clients work in bursts, and the cap is stated for a second. */
const BURST_SECONDS = 1

export type TenantLimit = {
  /** Counts a request that fits. For one that does not: after how many ms one more would. */
  take(tenant: string): { ok: true } | { ok: false; waitMs: number }
}

/** Throws when the cap lets nothing through. `now` in ms, of a clock that is not set back. */
export function createTenantLimit(
  requestsPerSecondMax: number,
  now: () => number = () => performance.now(),
): TenantLimit {
  if (!(requestsPerSecondMax > 0 && Number.isFinite(requestsPerSecondMax))) {
    throw new Error(
      `tenantRequestsPerSecondMax is ${requestsPerSecondMax}; expected a number above 0; leave it out for no cap`,
    )
  }
  const burst = Math.max(1, requestsPerSecondMax * BURST_SECONDS)
  /** When the cap next lets a request through, by tenant; in the order of their last admission. */
  const admittedUntil = new Map<string, number>()

  return {
    take(tenant) {
      const at = now()
      const before = admittedUntil.get(tenant) ?? 0
      const until = takeToken(before, at, requestsPerSecondMax, burst)
      if (until === BEYOND_RATE) {
        return { ok: false, waitMs: tokenWaitMs(before, at, requestsPerSecondMax, burst) }
      }
      admittedUntil.delete(tenant)
      if (admittedUntil.size >= TENANTS_MAX) admittedUntil.delete(admittedUntil.keys().next().value!)
      admittedUntil.set(tenant, until)
      return { ok: true }
    },
  }
}
