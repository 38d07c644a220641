/** Tenants: list, route, register, pin, unpin. */
import { type Parsed, parsed, problem, refused } from '@cellplane/contract'
import type { TenantRoute } from '@cellplane/contract/api'
import { shardOf, shardRow } from '@cellplane/core'
import type { Observations } from '../../health/observations.ts'
import type { Tenure } from '../../leader/tenure.ts'
import { OVERRIDES, TENANTS } from '../../store/collections.ts'
import { intact, type Rows, type Store, type StoreWriter } from '../../store/store.ts'
import type { TenantChanges } from '../../tenants/tenant-changes.ts'
import { tenantRoute } from '../../tenants/tenant-route.ts'
import type { Published } from '../../topology/published.ts'
import type { Handlers } from '../handler.ts'

export type TenantHandlersOptions = {
  store: Store
  published: Published
  observations: Observations
  changes: TenantChanges
  tenure: () => Tenure | undefined
}

export function tenantHandlers(
  options: TenantHandlersOptions,
): Handlers<'listTenants' | 'registerTenant' | 'getTenantRoute' | 'pinTenant' | 'unpinTenant'> {
  const { store, published, observations, changes, tenure } = options

  function route(tenant: string): Parsed<TenantRoute> {
    const base = published.base()
    if (base) return parsed(tenantRoute(tenant, base, observations, published.overlay()?.overlay))
    const why = 'no topology has been published yet; it is once enough cells are ready'
    return refused(problem('NO_TOPOLOGY', '', why))
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
      const tenants = names.map((tenant) => ({
        tenant,
        ...(known.get(tenant) ?? { is_registered: false, requests: 0 }),
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
