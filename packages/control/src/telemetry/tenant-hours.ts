/**
 * What the busiest tenants did, hour by hour: for reports. Routers name the busiest of each second; of those, each hour's
 * busiest are kept, so that a million tenants take no more room than a hundred.
 */
import { partitionKeyProblem, type RouterReport } from '@cellplane/contract'
import type { Counts } from '@cellplane/core'
import { HOUR_MS } from '../clock.ts'
import { sequenceKey, TENANT_HOURS } from '../store/collections.ts'
import { intact, type StoreReader, type StoreWriter } from '../store/store.ts'

/** As long as metrics are kept. */
const HOURS_KEPT = 31 * 24
const TENANTS_PER_HOUR = 100
/** Between two savings. */
const TENANTS_WAITING_MAX = 5_000
/** Old hours that one saving removes: more than one is there only after a time without a leader. */
const REMOVED_AT_ONCE = 10

export type TenantHours = ReturnType<typeof createTenantHours>

export function createTenantHours() {
  let waiting = new Map<string, { requests: number; errors: number }>()

  return {
    record(tenants: RouterReport['tenants']): void {
      for (const { tenant, requests, errors } of tenants) {
        const held = waiting.get(tenant)
        if (held) {
          held.requests += requests
          held.errors += errors
        } else if (waiting.size < TENANTS_WAITING_MAX && partitionKeyProblem(tenant) === undefined) {
          waiting.set(tenant, { requests, errors })
        }
      }
    },
    isEmpty: (): boolean => waiting.size === 0,
    /** Adds what waits to the hour of `now`. What a transaction that fails had is lost: it is a statistic. */
    async save(writer: StoreWriter, now: number): Promise<void> {
      const added = waiting
      waiting = new Map()
      const hour = Math.floor(now / HOUR_MS)
      const stored = await writer.get(TENANT_HOURS, sequenceKey(hour))
      for (const { tenant, requests, errors } of stored?.tenants ?? []) {
        const more = added.get(tenant) ?? { requests: 0, errors: 0 }
        added.set(tenant, { requests: requests + more.requests, errors: errors + more.errors })
      }
      const tenants = Array.from(added, ([tenant, counts]) => ({ tenant, ...counts }))
        .sort((a, b) => b.requests - a.requests)
        .slice(0, TENANTS_PER_HOUR)
      await writer.put(TENANT_HOURS, sequenceKey(hour), { hour, tenants })
      const oldest = await writer.list(TENANT_HOURS, { limit: REMOVED_AT_ONCE })
      for (const { key } of [...oldest.rows, ...oldest.invalid]) {
        if (Number(key) <= hour - HOURS_KEPT) await writer.remove(TENANT_HOURS, key)
      }
    },
  }
}

export type BusyTenant = {
  readonly tenant: string
  readonly counts: Counts
  /** Hours since the epoch in which some of its requests failed. */
  readonly failedHours: ReadonlySet<number>
}

/** The tenants with most requests in the hours that the time touches, the busiest first. */
export async function busiestTenants(
  store: StoreReader,
  { from, until }: { from: number; until: number },
  limit: number,
): Promise<BusyTenant[]> {
  const first = Math.floor(from / HOUR_MS)
  const hours = Math.floor(until / HOUR_MS) - first + 1
  const sums = new Map<string, { total: number; good: number; failedHours: Set<number> }>()
  const rows = await store.list(TENANT_HOURS, { after: sequenceKey(first - 1), limit: hours })
  for (const { hour, tenants } of intact(rows)) {
    for (const { tenant, requests, errors } of tenants) {
      const sum = sums.get(tenant) ?? { total: 0, good: 0, failedHours: new Set() }
      sum.total += requests
      sum.good += Math.max(0, requests - errors)
      if (errors > 0) sum.failedHours.add(hour)
      sums.set(tenant, sum)
    }
  }
  return Array.from(sums, ([tenant, { failedHours, ...counts }]) => ({ tenant, counts, failedHours }))
    .sort((a, b) => b.counts.total - a.counts.total)
    .slice(0, limit)
}
