/** What the API answers beyond the documents themselves. */
import { z } from 'zod'
import { cellStateSchema } from '../registry/cell.ts'
import { versionSchema } from '../topology/base.ts'

const share = z.number().min(0).max(1)
const documentVersion = z.object({ epoch: versionSchema, version: versionSchema })

/** Shares 0–1 of what is counted: `tenants` (registered or observed), or `buckets` where there are none yet. `touched` has a place there; `lost` has no place elsewhere. */
export const impactSchema = z.object({
  cells: z.array(z.string()),
  tenants_touched: share,
  tenants_lost: share,
  traffic_touched: share,
  traffic_lost: share,
})
export type Impact = z.infer<typeof impactSchema>

export const blastRadiusSchema = z
  .object({
    counted_over: z.enum(['tenants', 'buckets']),
    count: z.int(),
    worst_cell: impactSchema.nullable(),
    worst_pair: impactSchema.nullable(),
    cells: z.array(impactSchema),
    ideal: z.object({ cell_touched: share, pair_lost: share }),
  })
  .meta({ id: 'BlastRadius' })
export type BlastRadius = z.infer<typeof blastRadiusSchema>

export const fleetStatusSchema = z
  .object({
    fleet: z.string(),
    kind: z.enum(['stateless', 'stateful']),
    epoch: versionSchema,
    base: documentVersion.extend({ issued_at: z.string() }).nullable(),
    overlay: documentVersion.extend({ issued_at: z.string() }).nullable(),
    automation: z.object({ is_frozen: z.boolean(), reason: z.string() }),
    cells: z.array(
      z.object({
        id: z.string(),
        slot: z.int(),
        role: z.enum(['serving', 'quarantine']),
        zone: z.string(),
        state: cellStateSchema,
        health: z.enum(['healthy', 'unhealthy', 'unknown']),
        reason: z.string(),
        endpoint: z.string().nullable(),
        undelivered: z.int().nullable(),
        problem: z.string().nullable(),
      }),
    ),
    routers: z.array(
      z.object({
        router: z.string(),
        is_reporting: z.boolean(),
        last_report_at: z.string(),
        base: documentVersion.nullable(),
        overlay: documentVersion.nullable(),
        refused_documents: z.int(),
        last_refusal: z.string().nullable(),
      }),
    ),
    hosts: z.array(z.object({ host: z.string(), is_reporting: z.boolean(), last_report_at: z.string() })),
    tenants: z.int(),
    blast_radius: z
      .object({ worst_cell_touched: share, worst_cell_lost: share, worst_pair_lost: share })
      .nullable(),
  })
  .meta({ id: 'FleetStatus' })
export type FleetStatus = z.infer<typeof fleetStatusSchema>

export const tenantSchema = z
  .object({
    tenant: z.string(),
    is_registered: z.boolean(),
    requests: z.number(),
    cells: z.array(z.string()),
    pinned: z.boolean(),
  })
  .meta({ id: 'Tenant' })
export type Tenant = z.infer<typeof tenantSchema>

export const tenantRouteSchema = z
  .object({
    tenant: z.string(),
    bucket: z.int(),
    source: z.enum(['table', 'pin', 'assignment', 'quarantine', 'migration']),
    generation: z.int(),
    cells: z.array(
      z.object({
        id: z.string(),
        role: z.enum(['home', 'alternate']),
        health: z.enum(['healthy', 'unhealthy', 'unknown']),
        endpoint: z.string().nullable(),
      }),
    ),
    former_cells: z.array(z.string()),
    explanation: z.string(),
  })
  .meta({ id: 'TenantRoute' })
export type TenantRoute = z.infer<typeof tenantRouteSchema>

export const versionSummarySchema = z
  .object({
    epoch: versionSchema,
    version: versionSchema,
    issued_at: z.string(),
    reason: z.string(),
    actor: z.string(),
    bytes: z.int(),
  })
  .meta({ id: 'VersionSummary' })
export type VersionSummary = z.infer<typeof versionSummarySchema>

export const auditEntrySchema = z
  .object({
    id: z.string(),
    at: z.string(),
    actor: z.string(),
    action: z.string(),
    subject: z.string(),
    reason: z.string(),
  })
  .meta({ id: 'AuditEntry' })
export type AuditEntry = z.infer<typeof auditEntrySchema>
