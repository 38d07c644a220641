/**
 * What a span of time comes to: availability by cell, by tenant and of the fleet, beside what it would have been without
 * cells, and what the cells cost. Reckoned by core from counts and incidents; here they are gathered.
 */
import type { Cell } from '@cellplane/contract'
import type { AvailabilityView, IncidentView, Report } from '@cellplane/contract/api'
import {
  type Availability,
  availabilityOf,
  type Counts,
  countsWithoutCells,
  type Incident,
  type Span,
} from '@cellplane/core'
import { COARSE_SECONDS, type FleetMetrics } from '@cellplane/telemetry'
import { HOUR_MS } from '../clock.ts'
import { CELLS, INCIDENTS, type StoredIncident } from '../store/collections.ts'
import { intact, type StoreReader } from '../store/store.ts'
import { createIncidentCounts, INCIDENTS_MAX, sumOf } from './incidents.ts'
import { type BusyTenant, busiestTenants } from './tenant-hours.ts'

/** As many steps as a line of a terminal, or a strip on a page, can show. */
const STEPS = 60
const HOURS_PER_MONTH = 730
/** Of a longer time, the beginning is kept in coarse steps only. */
const FINE_SPAN_SECONDS = 86_400
const NOTHING: Counts = { total: 0, good: 0 }

export type ReportQuery = {
  fleet: string
  span: Span
  tenantsMax: number
  /** Ms since the epoch; see `registrations.ts`. */
  registeredAt(cell: string): number
  /** The cells that a tenant's requests may go to. */
  shardOf(tenant: string): readonly string[]
}

export async function compileReport(
  store: StoreReader,
  metrics: FleetMetrics,
  { fleet, span, tenantsMax, registeredAt, shardOf }: ReportQuery,
): Promise<Report> {
  const seconds = (span.until - span.from) / 1_000
  // Steps that begin and end with those that are kept: the rest of one that is cut is nobody's.
  const unit = seconds > FINE_SPAN_SECONDS ? COARSE_SECONDS : metrics.stepSeconds
  const stepSeconds = Math.ceil(seconds / STEPS / unit) * unit
  const stepsUntil = Math.ceil(span.until / 1_000 / unit) * unit * 1_000
  const counts = await metrics.counts({ until: span.until, seconds })
  const overTime = await metrics.countsOverTime(
    { until: stepsUntil, seconds: stepSeconds * STEPS },
    stepSeconds,
  )
  const stored = await incidentsIn(store, span)
  const incidentCounts = createIncidentCounts(metrics, span.until)
  const incidents: Incident[] = []
  for (const incident of stored) {
    const { of_cell: cellCounts, of_fleet: fleetCounts } = await incidentCounts.soFar(incident)
    const { cell, from, until } = incident
    incidents.push({ cell, from, until, cellCounts, fleetCounts })
  }
  const cells = intact(await store.list(CELLS))
    .filter(({ cell }) => counts.has(cell.id) || cell.state !== 'retired')
    .sort((a, b) => a.cell.slot - b.cell.slot)
  const tenants = await busiestTenants(store, span, tenantsMax)
  const total = sumOf(counts.values())
  const without = countsWithoutCells(total, incidents, span)
  return {
    fleet,
    from: iso(span.from),
    until: iso(span.until),
    measured_from: measuredFrom(
      [...overTime.values()],
      span.from,
      stepsUntil - STEPS * stepSeconds * 1_000,
      stepSeconds,
    ),
    total: availability(total, incidents, span),
    without_cells: availability(without, incidents, span),
    step_seconds: stepSeconds,
    steps_until: iso(stepsUntil),
    cells: cells.map(({ cell }) => {
      const own = counts.get(cell.id) ?? NOTHING
      const ownIncidents = incidents.filter((incident) => incident.cell === cell.id)
      const steps = overTime.get(cell.id) ?? []
      return {
        id: cell.id,
        zone: cell.zone,
        ...availability(own, ownIncidents, span),
        load_share: total.total > 0 ? own.total / total.total : 0,
        ...costOf(cell, registeredAt(cell.id), own, span),
        steps: steps.map((step) => ({ requests: step.total, failed: step.total - step.good })),
      }
    }),
    tenants: tenants.map((busy) => ({
      tenant: busy.tenant,
      ...availability(
        busy.counts,
        incidentsOfTenant(busy, shardOf(busy.tenant), incidents, span.until),
        span,
      ),
    })),
    incidents: stored.map((incident, i) => incidentView({ ...incident, ...viewCounts(incidents[i]!) })),
  }
}

export function incidentView(incident: StoredIncident): IncidentView {
  const { cell, slo, cause, reason, from, until } = incident
  return {
    id: `${iso(from)}.${cell}`,
    ...{ cell, slo, cause, reason },
    from: iso(from),
    until: until === null ? null : iso(until),
    of_cell: failures(incident.of_cell),
    of_fleet: failures(incident.of_fleet),
  }
}

/** Newest first; those that touch the span. */
async function incidentsIn(store: StoreReader, { from, until }: Span): Promise<StoredIncident[]> {
  const rows = await store.list(INCIDENTS, { order: 'descending', limit: INCIDENTS_MAX })
  return intact(rows).filter((one) => one.from < until && (one.until ?? until) >= from)
}

const viewCounts = ({ cellCounts, fleetCounts }: Incident) => ({
  of_cell: { ...cellCounts },
  of_fleet: { ...fleetCounts },
})

/** Those of its cells, in whose hours requests of its own failed: failover spares a tenant some. */
function incidentsOfTenant(
  { failedHours }: BusyTenant,
  shard: readonly string[],
  incidents: readonly Incident[],
  now: number,
): Incident[] {
  const hours = [...failedHours]
  return incidents.filter(
    ({ cell, from, until }) =>
      shard.includes(cell) &&
      hours.some((hour) => hour * HOUR_MS < (until ?? now) && (hour + 1) * HOUR_MS > from),
  )
}

function availability(counts: Counts, incidents: readonly Incident[], span: Span): AvailabilityView {
  const found: Availability = availabilityOf(counts, incidents, span)
  return {
    availability: found.availability,
    nines: found.nines,
    requests: found.requests,
    failed: found.failed,
    incidents: found.incidents,
    mttr_seconds: found.mttrSeconds,
    mtbf_seconds: found.mtbfSeconds,
  }
}

/** A cell costs whether it is used or not, from when it was registered until it is retired. */
function costOf(
  { price_per_hour: price, state, state_since }: Cell,
  registeredAt: number,
  counts: Counts,
  { from, until }: Span,
): Pick<Report['cells'][number], 'cost' | 'cost_per_month' | 'cost_per_million'> {
  if (price === null) return { cost: null, cost_per_month: null, cost_per_million: null }
  const begin = Math.max(from, registeredAt)
  const end = state === 'retired' ? Math.min(until, Date.parse(state_since)) : until
  const cost = (price * Math.max(0, end - begin)) / HOUR_MS
  return {
    cost,
    cost_per_month: price * HOURS_PER_MONTH,
    cost_per_million: counts.total > 0 ? (cost / counts.total) * 1e6 : null,
  }
}

/** Since when there are metrics: before that, silence is not calm. */
function measuredFrom(
  rows: readonly (readonly Counts[])[],
  from: number,
  firstStepAt: number,
  stepSeconds: number,
): string | null {
  const firsts = rows.map((row) => row.findIndex(({ total }) => total > 0)).filter((step) => step >= 0)
  if (firsts.length === 0) return null
  const first = Math.min(...firsts)
  return iso(Math.max(from, firstStepAt + first * stepSeconds * 1_000))
}

const failures = ({ total, good }: Counts) => ({ requests: total, failed: total - good })
const iso = (at: number) => new Date(at).toISOString()
