/**
 * The known tenants as a check needs them: sums by bucket, so that a plan is checked in the time of its table, and not of a
 * million tenants; and apart from the buckets those that overrides name.
 */
import type { TenantLoad } from '../blast-radius/blast-radius.ts'
import { bucketOf } from '../hash/bucket.ts'
import { type Draw, equalParts } from './chance.ts'

export type TenantFigures = {
  count: number
  requests: number
  /** By bucket, without the named ones. */
  bucketTenants: Float64Array
  bucketRequests: Float64Array
  named: ReadonlyMap<string, { bucket: number; requests: number }>
  /** How uneven they are. */
  tenantDraw: Draw
  requestDraw: Draw
}

/** `names`: tenants that an override names, before the change or after it; unknown ones count with no traffic. */
export function measureTenants(
  tenants: Iterable<TenantLoad>,
  hash: { seed: number; buckets: number },
  names: ReadonlySet<string>,
): TenantFigures {
  const bucketTenants = new Float64Array(hash.buckets)
  const bucketRequests = new Float64Array(hash.buckets)
  const named = new Map<string, { bucket: number; requests: number }>()
  let count = 0
  let sum = 0
  let squares = 0
  let largest = 0
  for (const { tenant, requests } of tenants) {
    const bucket = bucketOf(tenant, hash.seed, hash.buckets)
    count++
    sum += requests
    squares += requests * requests
    largest = Math.max(largest, requests)
    if (names.has(tenant)) named.set(tenant, { bucket, requests })
    else {
      bucketTenants[bucket]!++
      bucketRequests[bucket]! += requests
    }
  }
  for (const name of names) {
    if (named.has(name)) continue
    named.set(name, { bucket: bucketOf(name, hash.seed, hash.buckets), requests: 0 })
    count++
  }
  return {
    count,
    requests: sum,
    bucketTenants,
    bucketRequests,
    named,
    tenantDraw: equalParts(count),
    requestDraw: sum === 0 ? equalParts(0) : { squares: squares / (sum * sum), largest: largest / sum },
  }
}
