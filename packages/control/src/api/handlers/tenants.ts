/** Tenants: list, route, register, pin, unpin. */
import { type Parsed, parsed } from '@cellplane/contract'
import type { TenantRoute } from '@cellplane/contract/api'
import { shardOf, shardRow } from '@cellplane/core'
import type { Observations } from '../../health/observations.ts'
import type { Tenure } from '../../leader/tenure.ts'
import { OVERRIDES, TENANTS } from '../../store/collections.ts'
import { intact, type Rows, type Store, type StoreWriter } from '../../store/store.ts'
import { recentRequests } from '../../tenants/recent-requests.ts'
import type { TenantChanges } from '../../tenants/tenant-changes.ts'
import { tenantRoute } from '../../tenants/tenant-route.ts'
import type { Published } from '../../topology/published.ts'
import type { Handlers } from '../handler.ts'
import { nothingPublished } from '../problems.ts'

export type TenantHandlersOptions = {
  store: Store
  published: Published
  observations: Observations
  changes: TenantChanges
  tenure: () => Tenure | undefined
  /** Ms since the epoch. */
  now: () => number
}

export function tenantHandlers(
  options: TenantHandlersOptions,
): Handlers<'listTenants' | 'registerTenant' | 'getTenantRoute' | 'pinTenant' | 'unpinTenant'> {
  const { store, published, observations, changes, tenure, now } = options

  function route(tenant: string): Parsed<TenantRoute> {
    const base = published.base()
    return base
      ? parsed(tenantRoute(tenant, base, observations, published.overlay()?.overlay))
      : nothingPublished()
  }

  async function change(tenant: string, run: (writer: StoreWriter) => Promise<Parsed<void>>) {
    const changed = await store.write(run)
    if (!changed.ok) return changed
    await tenure()?.settle()
    return route(tenant)
  }

  return {
    async listTenants({ query }) {
      const { limit } = query
      const page = { limit, ...(query.after === undefined ? {} : { after: query.after }) }
      // One that is pinned and neither registered nor seen yet is in the overrides only.
      const known = new Map(rowsOf(await store.list(TENANTS, page)))
      const placed = new Map(rowsOf(await store.list(OVERRIDES, page)))
      const names = [...new Set([...known.keys(), ...placed.keys()])].sort(byBytes).slice(0, limit)
      const snapshot = published.base()?.snapshot
      const at = now()
      const tenants = names.map((tenant) => ({
        tenant,
        is_registered: known.get(tenant)?.is_registered ?? false,
        requests: known.get(tenant)?.requests ?? 0,
        recent_requests: recentRequests(known.get(tenant)?.recent, at),
        cells: snapshot
          ? shardOf(snapshot, shardRow(snapshot, tenant)).map((index) => snapshot.cells[index]!.id)
          : [],
        pinned: placed.get(tenant)?.reason === 'pin',
      }))
      return parsed({ tenants, next: tenants.length === limit ? (tenants.at(-1)?.tenant ?? null) : null })
    },
    async getTenantRoute({ params }) {
      return route(params.tenant)
    },
    registerTenant({ body: { tenant, reason }, actor }) {
      return change(tenant, (writer) => changes.register(writer, tenant, { actor, reason }))
    },
    pinTenant({ params: { tenant }, body: { cells, ...cause }, actor }) {
      return change(tenant, (writer) => changes.pin(writer, tenant, cells, { actor, ...cause }))
    },
    unpinTenant({ params: { tenant }, query, actor }) {
      return change(tenant, (writer) => changes.unpin(writer, tenant, { actor, ...query }))
    },
  }
}

function rowsOf<T>(rows: Rows<T>): [string, T][] {
  intact(rows)
  return rows.rows.map(({ key, value }) => [key, value])
}

/** As the store sorts keys, which pages go by. */
function byBytes(a: string, b: string): number {
  return Buffer.compare(Buffer.from(a), Buffer.from(b))
}
