/** Traffic, objectives, incidents and reports: what the replica with the lease knows from routers' reports. */
import {
  type Cell,
  type Parsed,
  parsed,
  periodSecondsOf,
  problem,
  refused,
  type Slo,
} from '@cellplane/contract'
import type { AlertView, IncidentView, SloState, Traffic } from '@cellplane/contract/api'
import type { Counts } from '@cellplane/core'
import { FINE_SECONDS, LATENCY_BOUNDS_S, type Latencies, quantileOf } from '@cellplane/telemetry'
import type { Observations } from '../../health/observations.ts'
import type { Automation } from '../../leader/automation.ts'
import { CELLS, INCIDENTS } from '../../store/collections.ts'
import { intact, type Store } from '../../store/store.ts'
import type { Alert } from '../../telemetry/alerts.ts'
import { createIncidentCounts } from '../../telemetry/incidents.ts'
import { createRegistrations } from '../../telemetry/registrations.ts'
import { compileReport, incidentView } from '../../telemetry/report.ts'
import type { Telemetry } from '../../telemetry/telemetry.ts'
import type { Standing } from '../../telemetry/watch.ts'
import { tenantRoute } from '../../tenants/tenant-route.ts'
import type { Published } from '../../topology/published.ts'
import type { Handlers } from '../handler.ts'

export type TelemetryHandlersOptions = {
  /** Its name. */
  fleet: string
  slos: readonly Slo[]
  store: Store
  observations: Observations
  automation: Pick<Automation, 'view'>
  telemetry: Pick<Telemetry, 'metrics' | 'isShared' | 'standing'>
  published: Published
  /** Ms since the epoch. */
  now: () => number
}

const STEP_MS = FINE_SECONDS * 1_000
/** What `full_share` is the rest of. */
const NOT_FULL = { indicator: 'saturation', threshold_share: 0.9 } as const

export function telemetryHandlers(
  options: TelemetryHandlersOptions,
): Handlers<'getTraffic' | 'getSlos' | 'listIncidents' | 'getReport'> {
  const { fleet, slos, store, published, observations, automation, telemetry, now } = options
  const { metrics } = telemetry
  const registrations = createRegistrations(store)

  function cellsOfTenant(tenant: string): string[] {
    const base = published.base()
    if (!base) return []
    return tenantRoute(tenant, base, observations, published.overlay()?.overlay).cells.map(({ id }) => id)
  }

  async function traffic(secondsMin: number): Promise<Traffic> {
    const at = now()
    // Of whole steps that are over: of the one that goes on there is a part of its requests only.
    const { stepSeconds } = metrics
    const seconds = Math.ceil(secondsMin / stepSeconds) * stepSeconds
    const window = { until: Math.floor(at / STEP_MS) * STEP_MS, seconds }
    const [counts, latencies] = [await metrics.counts(window), await metrics.latencies(window)]
    const withRoom = await metrics.counts(window, NOT_FULL)
    const inFlight = observations.routers.inFlightBySlot()
    const ejectedBy = observations.routers.ejectedBySlot()
    const standing = telemetry.standing()
    const cells = intact(await store.list(CELLS))
      .map((stored) => stored.cell)
      .filter(({ state }) => state !== 'retired')
      .sort((a, b) => a.slot - b.slot)
    return {
      at: new Date(at).toISOString(),
      window_seconds: seconds,
      routers_reporting: observations.routers.seen().size,
      automation: automation.view(),
      cells: cells.map((cell) => {
        const own = counts.get(cell.id)
        const found = latencies.get(cell.id)
        const { verdict, reason } = observations.healthOf(cell.slot)
        return {
          ...{ id: cell.id, zone: cell.zone, role: cell.role, state: cell.state, health: verdict, reason },
          requests_per_second: (own?.total ?? 0) / seconds,
          error_share: badShare(own),
          p50_ms: quantileMs(found, 0.5),
          p99_ms: quantileMs(found, 0.99),
          in_flight: inFlight.get(cell.slot) ?? 0,
          full_share: badShare(withRoom.get(cell.id)),
          ...standingOf(cell, standing),
          ejected_by: ejectedBy.get(cell.slot) ?? [],
        }
      }),
    }
  }

  return {
    getTraffic: async ({ query }) => whileLeading(store, async () => await traffic(query.seconds)),
    getSlos: async () => whileLeading(store, async () => sloState(slos, telemetry.standing())),
    async listIncidents({ query: { after, limit } }) {
      const page = await store.list(INCIDENTS, {
        limit,
        order: 'descending',
        ...(after === undefined ? {} : { after }),
      })
      const incidentCounts = createIncidentCounts(metrics, now())
      const incidents: IncidentView[] = []
      for (const incident of intact(page)) {
        incidents.push(incidentView({ ...incident, ...(await incidentCounts.soFar(incident)) }))
      }
      return parsed({ incidents, next: page.rows.length === limit ? page.rows.at(-1)!.key : null })
    },
    async getReport({ query: { seconds, tenants: tenantsMax } }) {
      const until = Math.ceil(now() / STEP_MS) * STEP_MS
      const span = { from: until - seconds * 1_000, until }
      const query = { fleet, span, tenantsMax, shardOf: cellsOfTenant }
      const report = async () =>
        await compileReport(store, metrics, { ...query, registeredAt: await registrations.since() })
      return telemetry.isShared ? parsed(await report()) : await whileLeading(store, report)
    },
  }
}

/** Routers report to the replica with the lease, so another one knows neither their levels nor, by itself, any metrics. */
async function whileLeading<T>(store: Store, answer: () => Promise<T>): Promise<Parsed<T>> {
  if (store.isWriter()) return parsed(await answer())
  const why = 'routers report to the replica with the lease; ask that one'
  return refused(problem('NOT_LEADER', '', why))
}

function sloState(slos: readonly Slo[], standing: Standing | null): SloState {
  return {
    evaluated_at: standing && new Date(standing.at).toISOString(),
    objectives: slos.map((slo) => ({
      name: slo.name,
      indicator: slo.indicator,
      threshold_ms: slo.indicator === 'latency' ? slo.threshold_ms : null,
      threshold_share: slo.indicator === 'saturation' ? slo.threshold_share : null,
      target: slo.target,
      period_seconds: periodSecondsOf(slo.period),
    })),
    cells: (standing?.budgets ?? []).map(({ cell, slo, counts, left }) => ({
      cell,
      slo: slo.name,
      requests: counts.total,
      good: counts.good,
      budget_left: left,
    })),
    alerts: [...(standing?.alerts.values() ?? [])].map(alertView),
  }
}

function alertView(alert: Alert): AlertView {
  return {
    cell: alert.cell,
    slo: alert.slo.name,
    severity: alert.severity,
    short_seconds: alert.shortSeconds,
    long_seconds: alert.longSeconds,
    factor: alert.factor,
    short_rate: alert.shortRate,
    long_rate: alert.longRate,
    since: new Date(alert.since).toISOString(),
  }
}

function standingOf(
  { id }: Cell,
  standing: Standing | null,
): Pick<Traffic['cells'][number], 'budget_left' | 'alert'> {
  if (!standing) return { budget_left: null, alert: null }
  const left = standing.budgets.filter(({ cell }) => cell === id).map((budget) => budget.left)
  const severities = [...standing.alerts.values()]
    .filter(({ cell }) => cell === id)
    .map(({ severity }) => severity)
  return {
    budget_left: left.length > 0 ? Math.min(...left) : 1,
    alert: severities.includes('page') ? 'page' : (severities[0] ?? null),
  }
}

const badShare = ({ total, good }: Counts = { total: 0, good: 0 }) => (total > 0 ? (total - good) / total : 0)

function quantileMs(latencies: Latencies | undefined, quantile: number): number | null {
  const seconds = latencies ? quantileOf(latencies, LATENCY_BOUNDS_S, quantile) : Number.NaN
  return Number.isNaN(seconds) ? null : seconds * 1_000
}
