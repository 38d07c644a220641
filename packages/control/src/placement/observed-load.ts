/** What routers counted of the tenants, as placement needs it: by bucket, and apart from that by name for those with an override. Pure. */
import { bucketOf, placementPolicyOf } from '@cellplane/core'
import type { Inventory } from './plan-placement.ts'

export type ObservedLoad = ReturnType<typeof observedLoad>

export function observedLoad({ fleet, overrides, tenants, current }: Inventory) {
  const { seed, buckets } = placementPolicyOf(fleet)
  const named = new Map(overrides.map((override) => [override.tenant, override.cells]))
  const requestsByBucket = new Float64Array(buckets)
  const tenantsByBucket = new Uint32Array(buckets)
  const byName: { cells: readonly number[]; requests: number }[] = []
  let requests = 0
  for (const { tenant, requests: own } of tenants) {
    requests += own
    const cells = named.get(tenant)
    if (cells) byName.push({ cells, requests: own })
    else {
      const bucket = bucketOf(tenant, seed, buckets)
      requestsByBucket[bucket]! += own
      tenantsByBucket[bucket]!++
    }
  }
  return {
    named,
    requests,
    requestsByBucket,
    tenantsByBucket,
    bucketOf: (tenant: string) => bucketOf(tenant, current.hash.seed, buckets),
    requestsByName(isHomeFirst: boolean): Map<number, number> {
      const sums = new Map<number, number>()
      for (const { cells, requests } of byName) {
        const takers = isHomeFirst ? cells.slice(0, 1) : cells
        for (const slot of takers) sums.set(slot, (sums.get(slot) ?? 0) + requests / takers.length)
      }
      return sums
    },
  }
}
