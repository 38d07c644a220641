/** What routers and hosts tell, and what they are told: reports, shares of limits, orders, credentials. */
import {
  deriveRouterSecret,
  type HostOrder,
  type Parsed,
  parsed,
  problem,
  refused,
} from '@cellplane/contract'
import type { Bell } from '../../bell.ts'
import type { Observations } from '../../health/observations.ts'
import type { Tenure } from '../../leader/tenure.ts'
import type { Metrics } from '../../metrics.ts'
import { isAlarming } from '../../quarantine/router-figures.ts'
import { createRouterSharing } from '../../routers/router-shares.ts'
import { CELLS, ORDERS } from '../../store/collections.ts'
import type { Store } from '../../store/store.ts'
import type { Telemetry } from '../../telemetry/telemetry.ts'
import type { ObservedTenants } from '../../tenants/observed-tenants.ts'
import { etagOf, type Published } from '../../topology/published.ts'
import type { Document, Handlers } from '../handler.ts'

/** A replica without the lease hears of no change to an order; so a wait looks at the store again this often. */
const ORDER_LOOK_MS = 1_000

export type ReportHandlersOptions = {
  fleet: string
  routerKey: string
  store: Store
  published: Published
  observations: Observations
  tenants: ObservedTenants
  telemetry: Pick<Telemetry, 'record'>
  tenure: () => Tenure | undefined
  ordersChanged: Bell
  metrics: Metrics
  now: () => number
}

export function reportHandlers(
  options: ReportHandlersOptions,
): Handlers<'reportRouter' | 'reportHost' | 'getHostOrder' | 'getCellCredentials'> {
  const { fleet, routerKey, store, published, observations, tenants, tenure, ordersChanged, metrics, now } =
    options
  const { routers } = observations
  const sharing = createRouterSharing({ published, routers, isLeader: store.isWriter, now })

  const unknownHost = (host: string): Parsed<never> => {
    const why = `no cell is assigned to host "${host}"; register one there first, or correct the host's name`
    return refused(problem('NOT_FOUND', 'path.host', why))
  }

  return {
    async reportRouter({ body }) {
      if (!routers.accept(body)) {
        metrics.ignoredReport('router')
        const why = 'too many routers report; give each router process a lasting name'
        return refused(problem('TOO_MANY_REQUESTS', 'router', why))
      }
      observations.evidence.record(body, now())
      if (isAlarming(body)) tenure()?.wake()
      tenants.record(body.tenants)
      options.telemetry.record(body)
      tenure()?.onRouterReport()
      return parsed(sharing.answer(body))
    },

    async reportHost({ params, body }) {
      if (body.host !== params.host) {
        const why = `found "${body.host}"; expected "${params.host}", as in the path`
        return refused(problem('INVALID_REQUEST', 'host', why))
      }
      if (!(await store.get(ORDERS, params.host))) {
        metrics.ignoredReport('host')
        return unknownHost(params.host)
      }
      if (observations.hosts.accept(body)) tenure()?.wake()
      return parsed(undefined)
    },

    async getHostOrder({ params: { host }, query, knownEtag, signal }) {
      const deadline = now() + query.wait * 1000
      for (;;) {
        const order = await store.get(ORDERS, host)
        if (!order) return unknownHost(host)
        const document = orderDocument(order)
        const left = deadline - now()
        if (document.etag !== knownEtag || left <= 0 || signal.aborted) return { ok: true, document }
        const patience = Math.min(left, ORDER_LOOK_MS)
        await ordersChanged.wait(patience, signal)
      }
    },

    async getCellCredentials({ params: { host, cell } }) {
      const stored = await store.get(CELLS, cell)
      if (stored?.cell.host !== host || stored.cell.state === 'retired') {
        return refused(problem('NOT_FOUND', 'path.cell', `host "${host}" runs no cell called "${cell}"`))
      }
      return parsed({
        cell,
        router_secrets: [deriveRouterSecret(routerKey, fleet, cell)],
        database_url: stored.database_url,
      })
    },
  }
}

function orderDocument(order: HostOrder): Document {
  const text = JSON.stringify(order)
  return { text, etag: etagOf(text) }
}
