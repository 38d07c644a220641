/** What the API answers of traffic: how cells do now, how their objectives stand, what went wrong, what it comes to. */
import * as v from 'valibot'
import { cellStateSchema } from '../registry/cell.ts'
import { about, between, count, finite, int, list, object } from '../schema/index.ts'
import { automationSchema } from './views.ts'

const share = between(0, 1)
const severity = v.picklist(['page', 'ticket'])

export const trafficSchema = v.pipe(
  object({
    at: v.string(),
    window_seconds: int(1),
    routers_reporting: count,
    automation: automationSchema,
    cells: list(
      object({
        id: v.string(),
        zone: v.string(),
        role: v.picklist(['serving', 'quarantine']),
        state: cellStateSchema,
        health: v.picklist(['healthy', 'suspect', 'unhealthy', 'unknown']),
        reason: v.string(),
        requests_per_second: about(finite, 'Attempts at the cell, as routers count them.'),
        error_share: about(share, '5xx answers and attempts without one; 0 without requests.'),
        p50_ms: about(v.nullable(finite), 'Until the head of the answer; null without answers.'),
        p99_ms: v.nullable(finite),
        in_flight: count,
        full_share: about(
          share,
          'Of the requests that came for it, those that found it more than 90 % full or were turned away by its ceilings; 0 without requests.',
        ),
        budget_left: about(
          v.nullable(finite),
          'Of the objective that has least: 1 untouched, 0 used up, below 0 overdrawn. Null before the first look.',
        ),
        alert: about(v.nullable(severity), 'The most urgent that fires.'),
        ejected_by: about(list(v.string()), 'Routers that keep away from it, by themselves.'),
      }),
    ),
  }),
  v.metadata({ id: 'Traffic' }),
)
export type Traffic = v.InferOutput<typeof trafficSchema>

export const alertSchema = v.pipe(
  object({
    cell: v.string(),
    slo: v.string(),
    severity,
    short_seconds: int(1),
    long_seconds: int(1),
    factor: about(finite, 'The burn rate that both windows are above.'),
    short_rate: finite,
    long_rate: finite,
    since: v.string(),
  }),
  v.metadata({ id: 'Alert' }),
)
export type AlertView = v.InferOutput<typeof alertSchema>

export const sloStateSchema = v.pipe(
  object({
    evaluated_at: about(v.nullable(v.string()), 'Null before the first look.'),
    objectives: list(
      object({
        name: v.string(),
        indicator: v.picklist(['availability', 'latency', 'saturation']),
        threshold_ms: about(v.nullable(finite), 'Of latency.'),
        threshold_share: about(v.nullable(share), 'Of saturation.'),
        target: share,
        period_seconds: int(1),
      }),
    ),
    cells: list(
      object({
        cell: v.string(),
        slo: v.string(),
        requests: about(finite, 'Of the period.'),
        good: finite,
        budget_left: finite,
      }),
    ),
    alerts: about(list(alertSchema), 'Those that fire.'),
  }),
  v.metadata({ id: 'SloState' }),
)
export type SloState = v.InferOutput<typeof sloStateSchema>

const counts = object({ requests: finite, failed: finite })

export const incidentSchema = v.pipe(
  object({
    id: v.string(),
    cell: v.string(),
    slo: about(v.string(), 'The objective whose budget burned.'),
    cause: about(
      v.picklist(['health', 'deploy', 'unknown']),
      'What was seen at the time: a verdict against the cell, a new release, or nothing.',
    ),
    reason: v.string(),
    from: about(v.string(), 'When errors began; the alert comes a little later.'),
    until: about(v.nullable(v.string()), 'When they ended; null while they go on.'),
    of_cell: about(counts, 'Requests to the cell meanwhile.'),
    of_fleet: about(counts, 'Requests to all cells meanwhile.'),
  }),
  v.metadata({ id: 'Incident' }),
)
export type IncidentView = v.InferOutput<typeof incidentSchema>

export const availabilitySchema = v.pipe(
  object({
    availability: about(share, 'Share of good requests; 1 without requests.'),
    nines: about(v.nullable(finite), 'Null when nothing failed.'),
    requests: finite,
    failed: finite,
    incidents: count,
    mttr_seconds: about(v.nullable(finite), 'Mean length of those that ended.'),
    mtbf_seconds: about(v.nullable(finite), 'Time without an incident, over their number.'),
  }),
  v.metadata({ id: 'Availability' }),
)
export type AvailabilityView = v.InferOutput<typeof availabilitySchema>

export const reportSchema = v.pipe(
  object({
    fleet: v.string(),
    from: v.string(),
    until: v.string(),
    measured_from: about(
      v.nullable(v.string()),
      'When the first metrics of the time are of, to the step; null without any.',
    ),
    total: availabilitySchema,
    without_cells: about(
      availabilitySchema,
      'The same time had there been no cells: each incident’s share of failures, at everybody.',
    ),
    step_seconds: int(1),
    steps_until: about(v.string(), 'When the last of the cells’ steps ends.'),
    cells: list(
      object({
        id: v.string(),
        zone: v.string(),
        ...availabilitySchema.pipe[0].entries,
        load_share: about(share, 'Of the fleet’s requests.'),
        cost: about(
          v.nullable(finite),
          'The price of the time, or of what of it was after the cell was registered and before it was retired; null without a price.',
        ),
        cost_per_month: v.nullable(finite),
        cost_per_million: about(v.nullable(finite), 'Requests.'),
        steps: about(list(counts), 'The time in steps, oldest first.'),
      }),
    ),
    tenants: about(
      list(object({ tenant: v.string(), ...availabilitySchema.pipe[0].entries })),
      'The busiest, each weighted by its own requests, which are counted by the hour. Incidents are those of its cells in whose hours some of them failed.',
    ),
    incidents: list(incidentSchema),
  }),
  v.metadata({ id: 'Report' }),
)
export type Report = v.InferOutput<typeof reportSchema>
