/**
 * What single tenants do, as series of a metrics page: the heaviest few by name, and all others together. A series costs
 * a Prometheus memory for as long as it keeps it, and tenants are many, so their number is a constant. Pure.
 *
 * Who is among the few changes, so these are levels of the last seconds and no counters: a counter that comes and goes
 * would count wrongly.
 */
import { type RouterFigures, topTenants } from '@cellplane/core'

/** By name; `other` comes on top of them. */
export const TENANT_SERIES_MAX = 20

/** A tenant that is called so is counted among them. */
export const OTHER_TENANTS = 'other'

export type TenantSeries = { tenant: string; requests: number; errors: number }

/** Of the requests that routers' figures are of: five to ten seconds. The heaviest are those that take most time of cells. */
export function tenantSeries(routers: readonly RouterFigures[]): TenantSeries[] {
  const named = topTenants(routers, 'cost', TENANT_SERIES_MAX)
    .filter(({ tenant }) => tenant !== OTHER_TENANTS)
    .map(({ tenant, attempts, errors }) => ({ tenant, requests: attempts, errors }))
  const cells = routers.flatMap((router) => router.cells)
  const rest = (all: number, ofNamed: number) => Math.max(0, all - ofNamed)
  const sum = <T>(list: readonly T[], of: (one: T) => number) => list.reduce((all, one) => all + of(one), 0)
  return [
    ...named,
    {
      tenant: OTHER_TENANTS,
      requests: rest(
        sum(cells, ({ attempts }) => attempts),
        sum(named, ({ requests }) => requests),
      ),
      errors: rest(
        sum(cells, ({ errors }) => errors),
        sum(named, ({ errors }) => errors),
      ),
    },
  ]
}
