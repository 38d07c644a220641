/** Tenants that routers saw: counts pile up here and are added to the store now and then. */
import { partitionKeyProblem, type RouterReport } from '@cellplane/contract'
import { TENANTS } from '../store/collections.ts'
import type { StoreWriter } from '../store/store.ts'
import { addRequests } from './recent-requests.ts'

/** Remembered tenants. Beyond it new ones are not taken up; the busiest are known long before. */
export const TENANTS_OBSERVED_MAX = 100_000

/** Tenants between two savings, and saved at once. */
const TENANTS_WAITING_MAX = 10_000
const TENANTS_SAVED_AT_ONCE = 500

export type ObservedTenants = ReturnType<typeof createObservedTenants>

export function createObservedTenants() {
  const waiting = new Map<string, number>()
  return {
    record(tenants: RouterReport['tenants']): void {
      for (const { tenant, requests } of tenants) {
        if (partitionKeyProblem(tenant) !== undefined) continue
        if (!waiting.has(tenant) && waiting.size >= TENANTS_WAITING_MAX) continue
        waiting.set(tenant, (waiting.get(tenant) ?? 0) + requests)
      }
    },
    isEmpty: (): boolean => waiting.size === 0,
    /** Adds some of the counts to the store; the rest waits. `now` in ms since the epoch. Counts of a transaction that fails are lost: they are a statistic. */
    async save(writer: StoreWriter, now: number): Promise<void> {
      let room = TENANTS_OBSERVED_MAX - (await writer.count(TENANTS))
      for (const [tenant, requests] of [...waiting].slice(0, TENANTS_SAVED_AT_ONCE)) {
        waiting.delete(tenant)
        const known = await writer.get(TENANTS, tenant)
        if (!known && room-- <= 0) continue
        await writer.put(TENANTS, tenant, {
          is_registered: known?.is_registered ?? false,
          requests: (known?.requests ?? 0) + requests,
          recent: addRequests(known?.recent, requests, now),
        })
      }
    },
  }
}
