/**
 * What each tenant asks for: the requests that routers counted of it, of about the last day.
 *
 * A sum since ever would place tenants by what they once were. So what was counted fades: a request counts e^(−t/24 h) of one
 * when it is t old, and a tenant that asks steadily stands at what it asks in 24 hours. One that fell silent a day ago
 * weighs 37 % of that, three days ago 5 %, a month ago nothing. A day, so that a plan made at night is not one for the night.
 *
 * Two numbers a tenant, and nothing that has to run: it fades when it is read, and when more is added.
 */
import { HOUR_MS } from '../clock.ts'
import { type StoredTenant, TENANTS } from '../store/collections.ts'
import type { StoreReader } from '../store/store.ts'

export const LOAD_HOURS = 24

const LOAD_MS = LOAD_HOURS * HOUR_MS

export type KnownTenant = { tenant: string; is_registered: boolean; requests: number }

/** Of a tenant at `now`, in ms since the epoch. */
export function recentRequests(recent: StoredTenant['recent'], now: number): number {
  if (!recent) return 0
  // A clock that was set back must not make more of what was counted.
  return recent.requests * Math.exp(-Math.max(0, now - recent.at) / LOAD_MS)
}

export function addRequests(
  recent: StoredTenant['recent'],
  requests: number,
  now: number,
): NonNullable<StoredTenant['recent']> {
  return { requests: recentRequests(recent, now) + requests, at: now }
}

/** Of all known tenants. A row that cannot be read is one tenant less; the store has counted and logged it. */
export async function readTenantRequests(reader: StoreReader, now: number): Promise<KnownTenant[]> {
  const { rows } = await reader.list(TENANTS)
  return rows.map(({ key, value }) => ({
    tenant: key,
    is_registered: value.is_registered,
    requests: recentRequests(value.recent, now),
  }))
}
