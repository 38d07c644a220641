/** Quarantines: who stands out, who is in, put a tenant in, let it out. */
import { type Parsed, parsed, problem, refused } from '@cellplane/contract'
import type { QuarantineView } from '@cellplane/contract/api'
import { HEAVY_HITTER_POLICY, topTenants } from '@cellplane/core'
import type { Observations } from '../../health/observations.ts'
import type { Tenure } from '../../leader/tenure.ts'
import { canDivert } from '../../quarantine/overlay-entries.ts'
import type { QuarantineChanges } from '../../quarantine/quarantine-changes.ts'
import { QUARANTINES } from '../../store/collections.ts'
import { intact, type Store, type StoreWriter } from '../../store/store.ts'
import { tenantRoute } from '../../tenants/tenant-route.ts'
import type { Published } from '../../topology/published.ts'
import type { Handlers } from '../handler.ts'

export type QuarantineHandlersOptions = {
  store: Store
  published: Published
  observations: Observations
  changes: QuarantineChanges
  tenure: () => Tenure | undefined
}

export function quarantineHandlers(
  options: QuarantineHandlersOptions,
): Handlers<'listTopTenants' | 'listQuarantines' | 'quarantineTenant' | 'releaseTenant'> {
  const { store, published, observations, changes, tenure } = options

  /** Answers once routers can have it. */
  async function change(tenant: string, run: (writer: StoreWriter) => Promise<Parsed<void>>) {
    const base = published.base()
    if (!base) {
      const why =
        'no topology has been published yet, so there is nobody to route; wait until cells are active'
      return refused(problem('NO_TOPOLOGY', '', why))
    }
    const changed = await store.write(run)
    if (!changed.ok) return changed
    await tenure()?.settle()
    return parsed(tenantRoute(tenant, published.base() ?? base, observations, published.overlay()?.overlay))
  }

  return {
    async listTopTenants({ query: { by, limit } }) {
      const snapshot = published.base()?.snapshot
      const idOf = (slot: number) => snapshot?.cells[snapshot.indexOfSlot(slot)]?.id ?? `slot ${slot}`
      const tenants = topTenants(observations.routers.tenantFigures(), by, limit).map((one) => ({
        tenant: one.tenant,
        attempts: one.attempts,
        errors: one.errors,
        crashes: one.crashes,
        is_suspended: one.isSuspended,
        cost_ms: one.costMs,
        cells: one.slots.map(idOf),
      }))
      return parsed({ window_ms: HEAVY_HITTER_POLICY.windowMs, tenants })
    },
    async listQuarantines({ query: { after, limit } }) {
      const base = published.base()?.document
      const mode: QuarantineView['mode'] = !base || canDivert(base) ? 'divert' : 'throttle'
      const page = await store.list(QUARANTINES, { limit, ...(after === undefined ? {} : { after }) })
      const rows = intact(page)
      const quarantines = rows
        .filter(({ released_at }) => released_at === null)
        .map((one) => ({
          tenant: one.tenant,
          rule: one.rule,
          mode,
          reason: one.reason,
          since: one.since,
          until: one.until,
          times: one.times,
        }))
      // A page may have released ones in it, which are not shown: the next begins after the last row.
      return parsed({ quarantines, next: rows.length === limit ? (rows.at(-1)?.tenant ?? null) : null })
    },
    quarantineTenant({ params: { tenant }, body: { reason }, actor }) {
      return change(tenant, (writer) => changes.quarantine(writer, tenant, { actor, reason }))
    },
    releaseTenant({ params: { tenant }, query: { reason }, actor }) {
      return change(tenant, (writer) => changes.release(writer, tenant, { actor, reason }))
    },
  }
}
