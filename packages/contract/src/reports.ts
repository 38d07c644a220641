/**
 * What routers and hosts tell the control plane, and what it tells a host. Reports are dropped rather than queued: the
 * next one says it again.
 */
import * as v from 'valibot'
import { componentSchema } from './fleet-file/component.ts'
import { cellIdSchema, componentNameSchema, hostIdSchema, slotSchema } from './identifiers.ts'
import { holdingsSchema, storeSchema } from './registry/cell.ts'
import {
  about,
  atLeast,
  between,
  count,
  dateTime,
  finite,
  int,
  list,
  positiveInt,
  record,
  strictObject,
  text,
  union,
} from './schema/index.ts'
import { versionSchema } from './topology/base.ts'

/** Tenants that a report names for errors, for crashes and for cost. */
export const FIGURES_MAX = 32

const documentVersion = strictObject({ epoch: versionSchema, version: versionSchema })

/** Of which content: after a store was restored a version may have been given twice. Releases of before leave it out. */
const heldDocument = strictObject({
  ...documentVersion.entries,
  signature: v.optional(about(text(1, 128), 'The value of its signature.')),
})

/** Requests that came before a limit, let through or not, since the last report. Limits are divided between routers by them. */
const arrivalsSchema = v.pipe(
  strictObject({
    ms: about(positiveInt, 'The time in which they came.'),
    cells: list(strictObject({ slot: slotSchema, requests: count }), 0, 10_000),
    tenants: about(
      list(strictObject({ tenant: text(0, 256), requests: count }), 0, 256),
      'Those to whom most came, of the tenants that have a cap; bounded.',
    ),
  }),
  v.description('Left out by a router that takes no shares of limits.'),
)

const tenantName = text(1, 256)
/** Of one tenant: a shard has 8 cells at most, and it may have moved. */
const PLACES_MAX = 64

/** What tenants did within the last seconds. It is a window and no counter, so a lost report loses nothing here either. */
const tenantFiguresSchema = v.pipe(
  strictObject({
    window_ms: positiveInt,
    cells: about(
      list(strictObject({ slot: slotSchema, attempts: count, errors: count }), 0, 10_000),
      'Attempts with an outcome other than a failed connection, and how many failed.',
    ),
    errors: about(
      list(
        strictObject({
          tenant: tenantName,
          attempts: count,
          errors: count,
          cells: list(strictObject({ slot: slotSchema, errors: count }), 0, PLACES_MAX),
        }),
        0,
        FIGURES_MAX,
      ),
      'The tenants with most errors.',
    ),
    crashes: about(
      list(
        strictObject({
          tenant: tenantName,
          attempts: count,
          is_suspended: v.boolean(),
          crashes: list(
            strictObject({
              slot: slotSchema,
              ms_ago: count,
              sent_ms_before: about(count, 'How long before the crash its last request was sent.'),
            }),
            0,
            16,
          ),
        }),
        0,
        FIGURES_MAX,
      ),
      'Tenants with requests under way when cells crashed, within two minutes; those whom the router suspends first.',
    ),
    cost: about(
      list(
        strictObject({
          tenant: tenantName,
          attempts: count,
          ms: count,
          cells: list(strictObject({ slot: slotSchema, ms: count }), 0, PLACES_MAX),
        }),
        0,
        FIGURES_MAX,
      ),
      'The tenants whose requests took most time of cells, from sending until the head of the answer.',
    ),
  }),
  v.description('Left out by a router of before there were quarantines by the control plane.'),
)

/** Once a second from every router process: counters since its start, so that a lost report loses nothing. */
export const routerReportSchema = v.pipe(
  strictObject({
    router: text(1, 128),
    started_at: dateTime,
    at: dateTime,
    base: v.nullable(heldDocument),
    overlay: v.nullable(heldDocument),
    refused_documents: count,
    last_refusal: v.nullable(text(0, 1024)),
    cells: list(
      strictObject({
        slot: slotSchema,
        requests: count,
        errors: about(count, '5xx answers and failed attempts'),
        connect_failures: count,
        in_flight: count,
        is_ejected: v.boolean(),
        durations: v.optional(
          about(
            list(count, 0, 32),
            'Answers by duration: one count for each bound, one for what took longer.',
          ),
        ),
        duration_sum_ms: v.optional(about(atLeast(0), 'Of all answers together.')),
        saturation: v.optional(
          about(
            list(count, 0, 32),
            'Requests by how full they found the cell: one count for each bound, one for those that its ceilings turned away.',
          ),
        ),
        one_tenant_errors_share: v.optional(
          about(
            between(0, 1),
            'Of the errors of the last seconds, the share that is one tenant’s: the one with most.',
          ),
        ),
      }),
      0,
      10_000,
    ),
    tenants: about(
      list(strictObject({ tenant: text(0, 256), requests: count, errors: count }), 0, 256),
      'The busiest tenants since the last report; bounded.',
    ),
    arrivals: v.optional(arrivalsSchema),
    tenant_figures: v.optional(tenantFiguresSchema),
  }),
  v.metadata({ id: 'RouterReport' }),
)
export type RouterReport = v.InferOutput<typeof routerReportSchema>
export type TenantFiguresReport = NonNullable<RouterReport['tenant_figures']>

/** What a host is to run. Fenced by the epoch: an agent refuses an order of an older one. */
export const hostOrderSchema = v.pipe(
  strictObject({
    host: hostIdSchema,
    fleet: v.string(),
    epoch: versionSchema,
    version: versionSchema,
    directory: about(v.string(), 'The fleet file’s folder on the host; components run relative to it.'),
    components: list(componentSchema),
    cells: list(
      strictObject({
        id: cellIdSchema,
        slot: slotSchema,
        zone: v.string(),
        region: v.string(),
        role: v.picklist(['serving', 'quarantine']),
        wanted: v.picklist(['running', 'stopped']),
        release: v.string(),
        database: v.picklist(['postgres', 'none', 'external']),
        health_path: v.string(),
        holdings: v.picklist(['reported', 'none']),
        retention_hours: finite,
        capacity: record(v.string(), finite),
        memory_mb: v.nullable(int()),
        cpus: v.nullable(finite),
      }),
      0,
      1000,
    ),
    tokens: v.nullable(
      strictObject({
        issuer: v.string(),
        audience: v.string(),
        algorithms: list(v.string()),
        claim: v.string(),
      }),
    ),
  }),
  v.metadata({ id: 'HostOrder' }),
)
export type HostOrder = v.InferOutput<typeof hostOrderSchema>
export type HostOrderCell = HostOrder['cells'][number]

/** Secrets of one cell, fetched apart from the order so that no order on disk holds one. `router_secrets`: the current one first, the former one while it rotates. */
export const cellCredentialsSchema = v.pipe(
  strictObject({
    cell: cellIdSchema,
    router_secrets: list(v.pipe(v.string(), v.minLength(32)), 1, 2),
    database_url: v.nullable(v.string()),
  }),
  v.metadata({ id: 'CellCredentials' }),
)
export type CellCredentials = v.InferOutput<typeof cellCredentialsSchema>

export const componentStatusSchema = strictObject({
  name: union([componentNameSchema, v.literal('postgres')]),
  phase: v.picklist([
    'waiting',
    'bootstrapping',
    'starting',
    'running',
    'backing-off',
    'stopping',
    'stopped',
    'failed',
  ]),
  pid: v.nullable(int()),
  port: v.nullable(int()),
  restarts: count,
  is_healthy: v.boolean(),
  last_error: v.nullable(text(0, 2048)),
})
export type ComponentStatus = v.InferOutput<typeof componentStatusSchema>

/** From every agent: each second and on each change. */
export const hostReportSchema = v.pipe(
  strictObject({
    host: hostIdSchema,
    at: dateTime,
    order: v.nullable(documentVersion),
    cells: list(
      strictObject({
        id: cellIdSchema,
        slot: slotSchema,
        is_running: about(v.boolean(), 'Every component runs and is healthy.'),
        endpoint: v.nullable(v.pipe(v.string(), v.url())),
        stores: list(storeSchema),
        components: list(componentStatusSchema),
        holdings: v.nullable(holdingsSchema),
        limits: about(v.string(), 'Which resource limits are in force, or why none are.'),
      }),
      0,
      1000,
    ),
  }),
  v.metadata({ id: 'HostReport' }),
)
export type HostReport = v.InferOutput<typeof hostReportSchema>
