/** Tenants that routers saw: counts pile up here and are added to the store now and then. */
import { partitionKeyProblem, type RouterReport } from '@cellplane/contract'
import { HOUR_MS } from '../clock.ts'
import { TENANTS } from '../store/collections.ts'
import type { StoreWriter } from '../store/store.ts'
import { addRequests } from './recent-requests.ts'

/** Remembered tenants. Beyond it new ones are not taken up; the busiest are known long before. */
export const TENANTS_OBSERVED_MAX = 100_000

/** Tenants between two savings, and saved at once. */
const TENANTS_WAITING_MAX = 10_000
const TENANTS_SAVED_AT_ONCE = 500

/** How often all rows are looked at for a date that lies ahead; what fades, fades in a day. */
const DATES_CHECKED_MS = HOUR_MS

export type ObservedTenants = ReturnType<typeof createObservedTenants>

export function createObservedTenants() {
  const waiting = new Map<string, number>()
  let datesCheckedAt = Number.NEGATIVE_INFINITY

  /**
   * A control plane whose clock was ahead wrote dates that lie ahead now. A tenant that asks is dated anew by that; one that
   * fell silent would not fade until its date has come.
   */
  async function bringDatesBack(writer: StoreWriter, now: number): Promise<void> {
    if (Math.abs(now - datesCheckedAt) < DATES_CHECKED_MS) return
    const { rows } = await writer.list(TENANTS)
    const ahead = rows.filter(({ value }) => (value.recent?.at ?? 0) > now)
    for (const { key, value } of ahead.slice(0, TENANTS_SAVED_AT_ONCE))
      await writer.put(TENANTS, key, { ...value, recent: addRequests(value.recent, 0, now) })
    // The rest at the next saving.
    if (ahead.length <= TENANTS_SAVED_AT_ONCE) datesCheckedAt = now
  }

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
      await bringDatesBack(writer, now)
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
