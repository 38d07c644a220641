/**
 * The control plane's HTTP API, one table. The server mounts it, the OpenAPI document is printed from it, the client
 * is typed by it: none of the three can drift.
 */
import * as v from 'valibot'
import { cellIdSchema, hostIdSchema, tenantIdSchema, zoneSchema } from '../identifiers.ts'
import { capacitySchema, cellViewSchema, weightSchema } from '../registry/cell.ts'
import {
  cellCredentialsSchema,
  FIGURES_MAX,
  hostOrderSchema,
  hostReportSchema,
  routerReportSchema,
} from '../reports.ts'
import { routerSharesSchema } from '../router-shares.ts'
import { about, between, int, list, object, rule, strictObject, text } from '../schema/index.ts'
import { topologyBaseSchema, versionSchema } from '../topology/base.ts'
import { topologyOverlaySchema } from '../topology/overlay.ts'
import {
  appliedPlacementSchema,
  cellCeilingsSchema,
  placementPlanSchema,
  placementWishSchema,
  zoneChangeSchema,
} from './placement-views.ts'
import { incidentSchema, reportSchema, sloStateSchema, trafficSchema } from './telemetry-views.ts'
import {
  auditEntrySchema,
  automationSchema,
  blastRadiusSchema,
  fleetStatusSchema,
  quarantineViewSchema,
  rollbackSchema,
  tenantRouteSchema,
  tenantSchema,
  topTenantSchema,
  versionSummarySchema,
} from './views.ts'

/** Who may call: `admin` everything, `reader` what changes nothing, `router` and `host` their own part. */
export type ApiRole = 'admin' | 'reader' | 'router' | 'host'

/** Its fields are read one by one, from the path and the query. */
export type ObjectSchema = v.StrictObjectSchema<v.ObjectEntries, undefined>

export type Operation<
  Params extends ObjectSchema | undefined = ObjectSchema | undefined,
  Query extends ObjectSchema | undefined = ObjectSchema | undefined,
  Body extends v.GenericSchema | undefined = v.GenericSchema | undefined,
  Answer extends v.GenericSchema | undefined = v.GenericSchema | undefined,
> = {
  method: 'get' | 'post' | 'put' | 'delete'
  path: `/v1/${string}`
  summary: string
  roles: readonly ApiRole[]
  /** Whether the caller needs the permission `force` beside its role: never, when the body asks for it, always. */
  force: 'never' | 'asked' | 'always'
  params: Params
  query: Query
  body: Body
  /** Success: 200 with this JSON, or 204 when undefined. */
  answer: Answer
}

function operation<
  P extends ObjectSchema | undefined = undefined,
  Q extends ObjectSchema | undefined = undefined,
  B extends v.GenericSchema | undefined = undefined,
  A extends v.GenericSchema | undefined = undefined,
>(o: {
  method: Operation['method']
  path: Operation['path']
  summary: string
  roles: readonly ApiRole[]
  force?: Operation['force']
  params?: P
  query?: Q
  body?: B
  answer?: A
}): Operation<P, Q, B, A> {
  const left = { params: undefined as P, query: undefined as Q, body: undefined as B, answer: undefined as A }
  return { force: 'never', ...left, ...o }
}

const READ = ['admin', 'reader'] as const
const ADMIN = ['admin'] as const

const cellParam = strictObject({ cell: cellIdSchema })
const zoneParam = strictObject({ zone: zoneSchema })
const tenantParam = strictObject({ tenant: tenantIdSchema })
const hostParam = strictObject({ host: hostIdSchema })

/** Every change says why; it lands in the audit trail. A database and its tools read text: NUL and half a character are none. */
const reason = v.pipe(
  text(1, 512),
  rule('INVALID_FORMAT', (why) =>
    why.isWellFormed() && !why.includes('\0')
      ? undefined
      : 'it holds a NUL or half of a surrogate pair; text is expected',
  ),
)

/** With it a change over the blast-radius budget is made all the same. It is a permission of its own. */
const force = v.optional(about(v.boolean(), 'Although it exceeds the blast-radius budget.'), false)

/** A number in a path or a query, where all is text. */
const numeral = v.pipe(v.unknown(), v.toNumber())

export const PAGE_SIZE_MAX = 1000
const page = strictObject({
  after: v.optional(about(text(0, 512), 'The last id of the page before.')),
  limit: v.optional(v.pipe(numeral, int(1, PAGE_SIZE_MAX)), 100),
})

export const OPERATIONS = {
  getStatus: operation({
    method: 'get',
    path: '/v1/status',
    summary: 'The fleet at a glance',
    roles: READ,
    answer: fleetStatusSchema,
  }),
  freezeAutomation: operation({
    method: 'post',
    path: '/v1/automation/freeze',
    summary: 'Leave health marks as they are until automation is thawed',
    roles: ADMIN,
    body: strictObject({ reason }),
    answer: automationSchema,
  }),
  thawAutomation: operation({
    method: 'post',
    path: '/v1/automation/thaw',
    summary: 'End a freeze; of an automatic one: the monitor is right',
    roles: ADMIN,
    body: strictObject({ reason }),
    answer: automationSchema,
  }),
  listCells: operation({
    method: 'get',
    path: '/v1/cells',
    summary: 'All cells',
    roles: READ,
    answer: object({ cells: list(cellViewSchema) }),
  }),
  getCell: operation({
    method: 'get',
    path: '/v1/cells/{cell}',
    summary: 'One cell',
    roles: READ,
    params: cellParam,
    answer: cellViewSchema,
  }),
  addCell: operation({
    method: 'post',
    path: '/v1/cells',
    summary: 'Register a cell; the host’s agent brings it up and it is placed when it is ready',
    roles: ADMIN,
    body: strictObject({
      id: v.optional(about(cellIdSchema, 'Left out: the next free cell-NNN.')),
      zone: v.optional(zoneSchema),
      weight: v.optional(weightSchema),
      capacity: v.optional(capacitySchema),
      host: v.optional(hostIdSchema),
      database_url: v.optional(text(0, 1024)),
      reason: v.optional(reason, 'added by an operator'),
    }),
    answer: cellViewSchema,
  }),
  drainCell: operation({
    method: 'post',
    path: '/v1/cells/{cell}/drain',
    summary: 'Place nothing new on the cell',
    roles: ADMIN,
    force: 'asked',
    params: cellParam,
    body: strictObject({ reason, force }),
    answer: cellViewSchema,
  }),
  undrainCell: operation({
    method: 'post',
    path: '/v1/cells/{cell}/undrain',
    summary: 'Place on the cell again',
    roles: ADMIN,
    force: 'asked',
    params: cellParam,
    body: strictObject({ reason, force }),
    answer: cellViewSchema,
  }),
  retireCell: operation({
    method: 'post',
    path: '/v1/cells/{cell}/retire',
    summary: 'Stop a drained cell for good; its data folder is kept',
    roles: ADMIN,
    params: cellParam,
    body: strictObject({
      reason,
      force: v.optional(about(v.boolean(), 'Although it holds data, or what it holds is unknown.'), false),
    }),
    answer: cellViewSchema,
  }),
  setCell: operation({
    method: 'put',
    path: '/v1/cells/{cell}/settings',
    summary:
      'Set the weight and the ceilings of a cell; what is left out stays, and null takes a ceiling off',
    roles: ADMIN,
    force: 'asked',
    params: cellParam,
    body: strictObject({
      weight: v.optional(weightSchema),
      capacity: v.optional(cellCeilingsSchema),
      reason,
      force,
    }),
    answer: cellViewSchema,
  }),
  evacuateZone: operation({
    method: 'post',
    path: '/v1/zones/{zone}/evacuate',
    summary: 'Drain every cell of a zone at once',
    roles: ADMIN,
    force: 'asked',
    params: zoneParam,
    body: strictObject({ reason, force }),
    answer: zoneChangeSchema,
  }),
  restoreZone: operation({
    method: 'post',
    path: '/v1/zones/{zone}/restore',
    summary: 'Place on the cells again that an evacuation of the zone drained',
    roles: ADMIN,
    force: 'asked',
    params: zoneParam,
    body: strictObject({ reason, force }),
    answer: zoneChangeSchema,
  }),
  planPlacement: operation({
    method: 'post',
    path: '/v1/placement/plans',
    summary:
      'What a rebalancing, a split or a merge of cells would move; nothing moves until the plan is applied',
    roles: ADMIN,
    body: placementWishSchema,
    answer: placementPlanSchema,
  }),
  applyPlacement: operation({
    method: 'post',
    path: '/v1/placement/plans/{plan}/apply',
    summary: 'Move what that plan says, and nothing else',
    roles: ADMIN,
    force: 'asked',
    params: strictObject({ plan: text(1, 64) }),
    body: strictObject({ reason, force }),
    answer: appliedPlacementSchema,
  }),
  listTenants: operation({
    method: 'get',
    path: '/v1/tenants',
    summary: 'Registered and observed tenants',
    roles: READ,
    query: page,
    answer: object({ tenants: list(tenantSchema), next: v.nullable(v.string()) }),
  }),
  registerTenant: operation({
    method: 'post',
    path: '/v1/tenants',
    summary: 'Register a tenant; in a stateful fleet its home is assigned from then on',
    roles: ADMIN,
    body: strictObject({ tenant: tenantIdSchema, reason: v.optional(reason, 'registered') }),
    answer: tenantRouteSchema,
  }),
  getTenantRoute: operation({
    method: 'get',
    path: '/v1/tenants/{tenant}/route',
    summary: 'Where a tenant’s requests go, and why',
    roles: READ,
    params: tenantParam,
    answer: tenantRouteSchema,
  }),
  pinTenant: operation({
    method: 'put',
    path: '/v1/tenants/{tenant}/pin',
    summary: 'Pin a tenant to cells',
    roles: ADMIN,
    force: 'asked',
    params: tenantParam,
    body: strictObject({ cells: list(cellIdSchema, 1, 8), reason, force }),
    answer: tenantRouteSchema,
  }),
  unpinTenant: operation({
    method: 'delete',
    path: '/v1/tenants/{tenant}/pin',
    summary: 'Take a pin off',
    roles: ADMIN,
    params: tenantParam,
    query: strictObject({ reason: v.optional(reason, 'unpinned') }),
    answer: tenantRouteSchema,
  }),
  listTopTenants: operation({
    method: 'get',
    path: '/v1/top-tenants',
    summary: 'Tenants with most errors, crashes or cost in the last seconds, as routers report them',
    roles: READ,
    query: strictObject({
      by: v.optional(v.picklist(['errors', 'crashes', 'cost']), 'errors'),
      limit: v.optional(v.pipe(numeral, int(1, FIGURES_MAX)), 10),
    }),
    answer: object({ window_ms: int(), tenants: list(topTenantSchema) }),
  }),
  listQuarantines: operation({
    method: 'get',
    path: '/v1/quarantines',
    summary: 'Tenants in quarantine, and why',
    roles: READ,
    query: page,
    answer: object({ quarantines: list(quarantineViewSchema), next: v.nullable(v.string()) }),
  }),
  quarantineTenant: operation({
    method: 'put',
    path: '/v1/tenants/{tenant}/quarantine',
    summary: 'Put a tenant into quarantine, until an operator releases it',
    roles: ADMIN,
    params: tenantParam,
    body: strictObject({ reason }),
    answer: tenantRouteSchema,
  }),
  releaseTenant: operation({
    method: 'delete',
    path: '/v1/tenants/{tenant}/quarantine',
    summary: 'Let a tenant out of quarantine',
    roles: ADMIN,
    params: tenantParam,
    query: strictObject({ reason }),
    answer: tenantRouteSchema,
  }),
  getBase: operation({
    method: 'get',
    path: '/v1/topology/base',
    summary: 'The signed base (ETag)',
    roles: ['admin', 'reader', 'router'],
    answer: topologyBaseSchema,
  }),
  getOverlay: operation({
    method: 'get',
    path: '/v1/topology/overlay',
    summary: 'The signed overlay (ETag)',
    roles: ['admin', 'reader', 'router'],
    answer: topologyOverlaySchema,
  }),
  listVersions: operation({
    method: 'get',
    path: '/v1/topology/versions',
    summary: 'Published bases, newest first',
    roles: READ,
    answer: object({ versions: list(versionSummarySchema) }),
  }),
  getVersion: operation({
    method: 'get',
    path: '/v1/topology/versions/{version}',
    summary: 'A base that was published',
    roles: READ,
    params: strictObject({ version: v.pipe(numeral, versionSchema) }),
    answer: topologyBaseSchema,
  }),
  rollbackTopology: operation({
    method: 'post',
    path: '/v1/topology/versions/{version}/rollback',
    summary: 'Place tenants as that version did, under a new version',
    roles: ADMIN,
    force: 'asked',
    params: strictObject({ version: v.pipe(numeral, versionSchema) }),
    body: strictObject({ reason, force }),
    answer: rollbackSchema,
  }),
  forceTopology: operation({
    method: 'post',
    path: '/v1/topology/force',
    summary: 'Publish the base that is held back by the blast-radius budget',
    roles: ADMIN,
    force: 'always',
    body: strictObject({ reason }),
    answer: object({ exceeded: list(v.string()) }),
  }),
  resumeTopology: operation({
    method: 'post',
    path: '/v1/topology/resume',
    summary: 'Publish bases again after one was taken back',
    roles: ADMIN,
    body: strictObject({ reason }),
    answer: object({ was_halted_because: v.string() }),
  }),
  getBlastRadius: operation({
    method: 'get',
    path: '/v1/topology/blast-radius',
    summary: 'Who is hit when a cell, or a pair of cells, is lost',
    roles: READ,
    answer: blastRadiusSchema,
  }),
  getTraffic: operation({
    method: 'get',
    path: '/v1/traffic',
    summary:
      'What each cell does at the moment: requests, errors, latency, budget. Of the replica with the lease',
    roles: READ,
    query: strictObject({
      seconds: v.optional(about(v.pipe(numeral, int(10, 3600)), 'How far back.'), 20),
    }),
    answer: trafficSchema,
  }),
  getSlos: operation({
    method: 'get',
    path: '/v1/slos',
    summary: 'Objectives by cell: budgets and the alerts that fire. Of the replica with the lease',
    roles: READ,
    answer: sloStateSchema,
  }),
  listIncidents: operation({
    method: 'get',
    path: '/v1/incidents',
    summary: 'When a cell’s budget burned, from when errors began until they ended; newest first',
    roles: READ,
    query: page,
    answer: object({ incidents: list(incidentSchema), next: v.nullable(v.string()) }),
  }),
  getReport: operation({
    method: 'get',
    path: '/v1/report',
    summary:
      'Availability, repair times and cost by cell, tenant and fleet, and what they would have been without cells',
    roles: READ,
    query: strictObject({
      seconds: v.optional(about(v.pipe(numeral, int(60, 31 * 86_400)), 'How far back.'), 30 * 86_400),
      tenants: v.optional(about(v.pipe(numeral, int(0, 100)), 'At most so many tenants.'), 20),
    }),
    answer: reportSchema,
  }),
  reportRouter: operation({
    method: 'post',
    path: '/v1/reports/router',
    summary: 'What a router saw; the answer is its shares of limits',
    roles: ['router'],
    body: routerReportSchema,
    answer: routerSharesSchema,
  }),
  getHostOrder: operation({
    method: 'get',
    path: '/v1/hosts/{host}/order',
    summary: 'What a host is to run (ETag; waits up to `wait` seconds for a change)',
    roles: ['admin', 'host'],
    params: hostParam,
    query: strictObject({ wait: v.optional(v.pipe(numeral, between(0, 30)), 0) }),
    answer: hostOrderSchema,
  }),
  getCellCredentials: operation({
    method: 'get',
    path: '/v1/hosts/{host}/cells/{cell}/credentials',
    summary: 'The secrets of one cell, for the host that runs it',
    roles: ['host'],
    params: strictObject({ ...hostParam.entries, cell: cellIdSchema }),
    answer: cellCredentialsSchema,
  }),
  reportHost: operation({
    method: 'post',
    path: '/v1/hosts/{host}/report',
    summary: 'What a host runs',
    roles: ['host'],
    params: hostParam,
    body: hostReportSchema,
  }),
  listAudit: operation({
    method: 'get',
    path: '/v1/audit',
    summary: 'Who changed what, when and why; newest first',
    roles: READ,
    query: page,
    answer: object({ entries: list(auditEntrySchema), next: v.nullable(v.string()) }),
  }),
} as const

export type OperationName = keyof typeof OPERATIONS

/** Server-sent events of new documents: event `base` or `overlay`, data `{epoch, version}`, and `: ping` every few seconds. */
export const TOPOLOGY_EVENTS_PATH = '/v1/topology/events'
