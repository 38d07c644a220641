/** What the API answers beyond the documents themselves. */
import * as v from 'valibot'
import { cellStateSchema } from '../registry/cell.ts'
import { about, between, finite, int, list, object } from '../schema/index.ts'
import { versionSchema } from '../topology/base.ts'

const share = between(0, 1)
const documentVersion = object({ epoch: versionSchema, version: versionSchema })
const publishedVersion = object({ ...documentVersion.entries, issued_at: v.string() })

/** Shares 0–1 of what is counted: `tenants` (registered or observed), or `buckets` where there are none yet. `touched` has a place there; `lost` has no place elsewhere. */
export const impactSchema = object({
  cells: list(v.string()),
  tenants_touched: share,
  tenants_lost: share,
  traffic_touched: share,
  traffic_lost: share,
})
export type Impact = v.InferOutput<typeof impactSchema>

export const blastRadiusSchema = v.pipe(
  object({
    counted_over: v.picklist(['tenants', 'buckets']),
    count: int(),
    worst_cell: v.nullable(impactSchema),
    worst_pair: v.nullable(impactSchema),
    cells: list(impactSchema),
    ideal: object({ cell_touched: share, pair_lost: share }),
  }),
  v.metadata({ id: 'BlastRadius' }),
)
export type BlastRadius = v.InferOutput<typeof blastRadiusSchema>

export const automationSchema = v.pipe(
  object({
    is_frozen: about(
      v.boolean(),
      'Something is held back on purpose, until it is safe or an operator says so.',
    ),
    reason: about(v.string(), 'Why it is frozen; empty when it is not.'),
    problems: about(
      list(v.string()),
      'What the control plane tries and cannot do at the moment, in words. It is tried again, and the rest goes on.',
    ),
  }),
  v.metadata({ id: 'Automation' }),
)

export const fleetStatusSchema = v.pipe(
  object({
    fleet: v.string(),
    kind: v.picklist(['stateless', 'stateful']),
    epoch: versionSchema,
    base: v.nullable(publishedVersion),
    overlay: v.nullable(publishedVersion),
    wave: v.optional(
      v.nullable(
        object({ base: versionSchema, former: versionSchema, router: v.string(), began_at: v.string() }),
      ),
    ),
    automation: automationSchema,
    cells: list(
      object({
        id: v.string(),
        slot: int(),
        role: v.picklist(['serving', 'quarantine']),
        zone: v.string(),
        state: cellStateSchema,
        health: v.picklist(['healthy', 'suspect', 'unhealthy', 'unknown']),
        reason: v.string(),
        endpoint: v.nullable(v.string()),
        undelivered: v.nullable(int()),
        problem: v.nullable(v.string()),
      }),
    ),
    routers: list(
      object({
        router: v.string(),
        is_reporting: v.boolean(),
        last_report_at: v.string(),
        base: v.nullable(documentVersion),
        overlay: v.nullable(documentVersion),
        refused_documents: int(),
        last_refusal: v.nullable(v.string()),
      }),
    ),
    hosts: list(object({ host: v.string(), is_reporting: v.boolean(), last_report_at: v.string() })),
    tenants: int(),
    blast_radius: v.nullable(
      object({ worst_cell_touched: share, worst_cell_lost: share, worst_pair_lost: share }),
    ),
  }),
  v.metadata({ id: 'FleetStatus' }),
)
export type FleetStatus = v.InferOutput<typeof fleetStatusSchema>

/** `kept`: what differs in that version and was not brought back, since it has another source. */
export const rollbackSchema = v.pipe(
  object({ epoch: versionSchema, version: versionSchema, of: versionSchema, kept: list(v.string()) }),
  v.metadata({ id: 'Rollback' }),
)
export type Rollback = v.InferOutput<typeof rollbackSchema>

export const tenantSchema = v.pipe(
  object({
    tenant: v.string(),
    is_registered: v.boolean(),
    requests: about(finite, 'Since it was first seen.'),
    recent_requests: about(
      finite,
      'Of about the last 24 hours: one that is t old counts e^(−t/24 h). By these loads are judged.',
    ),
    cells: list(v.string()),
    pinned: v.boolean(),
  }),
  v.metadata({ id: 'Tenant' }),
)
export type Tenant = v.InferOutput<typeof tenantSchema>

export const tenantRouteSchema = v.pipe(
  object({
    tenant: v.string(),
    bucket: int(),
    source: v.picklist(['table', 'pin', 'assignment', 'quarantine', 'migration']),
    generation: int(),
    cells: list(
      object({
        id: v.string(),
        role: v.picklist(['home', 'alternate']),
        health: v.picklist(['healthy', 'suspect', 'unhealthy', 'unknown']),
        endpoint: v.nullable(v.string()),
      }),
    ),
    former_cells: list(v.string()),
    explanation: v.string(),
  }),
  v.metadata({ id: 'TenantRoute' }),
)
export type TenantRoute = v.InferOutput<typeof tenantRouteSchema>

export const topTenantSchema = v.pipe(
  object({
    tenant: v.string(),
    attempts: int(),
    errors: int(),
    crashes: about(int(), 'Crashes of cells with its requests under way, within two minutes.'),
    is_suspended: about(v.boolean(), 'Some router keeps it from its cells, by itself.'),
    cost_ms: about(int(), 'Time of cells that its requests took.'),
    cells: about(list(v.string()), 'Where.'),
  }),
  v.metadata({ id: 'TopTenant' }),
)
export type TopTenantView = v.InferOutput<typeof topTenantSchema>

export const quarantineViewSchema = v.pipe(
  object({
    tenant: v.string(),
    rule: about(v.picklist(['errors', 'crashes', 'operator']), 'Who accused it.'),
    mode: about(
      v.picklist(['divert', 'throttle']),
      '`divert`: to the quarantine cell. `throttle`: at home, at a fraction of its rate; stateful fleets, and those without a quarantine cell.',
    ),
    reason: v.string(),
    since: v.string(),
    until: about(v.nullable(v.string()), 'Null: until an operator releases it.'),
    times: about(int(), 'Quarantines by automation in a row.'),
  }),
  v.metadata({ id: 'Quarantine' }),
)
export type QuarantineView = v.InferOutput<typeof quarantineViewSchema>

export const versionSummarySchema = v.pipe(
  object({
    epoch: versionSchema,
    version: versionSchema,
    issued_at: v.string(),
    reason: v.string(),
    actor: v.string(),
    bytes: int(),
  }),
  v.metadata({ id: 'VersionSummary' }),
)
export type VersionSummary = v.InferOutput<typeof versionSummarySchema>

export const auditEntrySchema = v.pipe(
  object({
    id: v.string(),
    at: v.string(),
    actor: v.string(),
    action: v.string(),
    subject: v.string(),
    reason: v.string(),
  }),
  v.metadata({ id: 'AuditEntry' }),
)
export type AuditEntry = v.InferOutput<typeof auditEntrySchema>
