/**
 * The busiest tenants since the last report, in bounded memory: the space-saving algorithm (Metwally, Agrawal and
 * El Abbadi, 2005).
 *
 * A full table gives the place of its least busy tenant to the newcomer, together with its count. So a count may be too
 * high, by at most the smallest count in the table, but nobody who sends more than 1/size of all requests is missed.
 */
export type TenantCount = { tenant: string; requests: number; errors: number }

export type BusiestTenants = {
  count(tenant: string, isError: boolean): void
  /** The busiest, at most `max`, busiest first; counting begins anew. */
  take(max: number): TenantCount[]
}

export function createBusiestTenants(size: number): BusiestTenants {
  let counts = new Map<string, TenantCount>()
  /** The smallest count is looked for among all; only newcomers to a full table pay for that. */
  const leastBusy = () => {
    let least: TenantCount | undefined
    for (const entry of counts.values()) if (!least || entry.requests < least.requests) least = entry
    return least!
  }
  return {
    count(tenant, isError) {
      let entry = counts.get(tenant)
      if (!entry) {
        entry = { tenant, requests: 0, errors: 0 }
        if (counts.size >= size) {
          const replaced = leastBusy()
          counts.delete(replaced.tenant)
          entry.requests = replaced.requests
        }
        counts.set(tenant, entry)
      }
      entry.requests++
      if (isError) entry.errors++
    },
    take(max) {
      const taken = [...counts.values()].sort((a, b) => b.requests - a.requests).slice(0, max)
      counts = new Map()
      return taken
    },
  }
}
