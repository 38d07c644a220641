/**
 * The control plane's HTTP API, one table. The server mounts it, the OpenAPI document is printed from it, the client
 * is typed by it: none of the three can drift.
 */
import { z } from 'zod'
import { cellIdSchema, hostIdSchema, tenantIdSchema, zoneSchema } from '../identifiers.ts'
import { capacitySchema, cellViewSchema, weightSchema } from '../registry/cell.ts'
import { cellCredentialsSchema, hostOrderSchema, hostReportSchema, routerReportSchema } from '../reports.ts'
import { topologyBaseSchema, versionSchema } from '../topology/base.ts'
import { topologyOverlaySchema } from '../topology/overlay.ts'
import {
  auditEntrySchema,
  blastRadiusSchema,
  fleetStatusSchema,
  tenantRouteSchema,
  tenantSchema,
  versionSummarySchema,
} from './views.ts'

/** Who may call: `admin` everything, `reader` what changes nothing, `router` and `host` their own part. */
export type ApiRole = 'admin' | 'reader' | 'router' | 'host'

export type Operation<
  Params extends z.ZodObject | undefined = z.ZodObject | undefined,
  Query extends z.ZodObject | undefined = z.ZodObject | undefined,
  Body extends z.ZodType | undefined = z.ZodType | undefined,
  Answer extends z.ZodType | undefined = z.ZodType | undefined,
> = {
  method: 'get' | 'post' | 'put' | 'delete'
  path: `/v1/${string}`
  summary: string
  roles: readonly ApiRole[]
  params: Params
  query: Query
  body: Body
  /** Success: 200 with this JSON, or 204 when undefined. */
  answer: Answer
}

function operation<
  P extends z.ZodObject | undefined = undefined,
  Q extends z.ZodObject | undefined = undefined,
  B extends z.ZodType | undefined = undefined,
  A extends z.ZodType | undefined = undefined,
>(o: {
  method: Operation['method']
  path: Operation['path']
  summary: string
  roles: readonly ApiRole[]
  params?: P
  query?: Q
  body?: B
  answer?: A
}): Operation<P, Q, B, A> {
  return { params: undefined as P, query: undefined as Q, body: undefined as B, answer: undefined as A, ...o }
}

const READ = ['admin', 'reader'] as const
const ADMIN = ['admin'] as const

const cellParam = z.object({ cell: cellIdSchema })
const tenantParam = z.object({ tenant: tenantIdSchema })
const hostParam = z.object({ host: hostIdSchema })

/** Every change says why; it lands in the audit trail. */
const reason = z.string().min(1).max(512)

export const PAGE_SIZE_MAX = 1000
const page = z.object({
  after: z.string().max(512).optional().describe('The last id of the page before.'),
  limit: z.coerce.number().int().min(1).max(PAGE_SIZE_MAX).default(100),
})

export const OPERATIONS = {
  getStatus: operation({
    method: 'get',
    path: '/v1/status',
    summary: 'The fleet at a glance',
    roles: READ,
    answer: fleetStatusSchema,
  }),
  listCells: operation({
    method: 'get',
    path: '/v1/cells',
    summary: 'All cells',
    roles: READ,
    answer: z.object({ cells: z.array(cellViewSchema) }),
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
    body: z.strictObject({
      id: cellIdSchema.optional().describe('Left out: the next free cell-NNN.'),
      zone: zoneSchema.optional(),
      weight: weightSchema.optional(),
      capacity: capacitySchema.optional(),
      host: hostIdSchema.optional(),
      database_url: z.string().max(1024).optional(),
      reason: reason.default('added by an operator'),
    }),
    answer: cellViewSchema,
  }),
  drainCell: operation({
    method: 'post',
    path: '/v1/cells/{cell}/drain',
    summary: 'Place nothing new on the cell',
    roles: ADMIN,
    params: cellParam,
    body: z.strictObject({ reason }),
    answer: cellViewSchema,
  }),
  undrainCell: operation({
    method: 'post',
    path: '/v1/cells/{cell}/undrain',
    summary: 'Place on the cell again',
    roles: ADMIN,
    params: cellParam,
    body: z.strictObject({ reason }),
    answer: cellViewSchema,
  }),
  retireCell: operation({
    method: 'post',
    path: '/v1/cells/{cell}/retire',
    summary: 'Stop a drained cell for good; its data folder is kept',
    roles: ADMIN,
    params: cellParam,
    body: z.strictObject({
      reason,
      force: z.boolean().default(false).describe('Although it holds data, or what it holds is unknown.'),
    }),
    answer: cellViewSchema,
  }),
  listTenants: operation({
    method: 'get',
    path: '/v1/tenants',
    summary: 'Registered and observed tenants',
    roles: READ,
    query: page,
    answer: z.object({ tenants: z.array(tenantSchema), next: z.string().nullable() }),
  }),
  registerTenant: operation({
    method: 'post',
    path: '/v1/tenants',
    summary: 'Register a tenant; in a stateful fleet its home is assigned from then on',
    roles: ADMIN,
    body: z.strictObject({ tenant: tenantIdSchema, reason: reason.default('registered') }),
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
    params: tenantParam,
    body: z.strictObject({ cells: z.array(cellIdSchema).min(1).max(8), reason }),
    answer: tenantRouteSchema,
  }),
  unpinTenant: operation({
    method: 'delete',
    path: '/v1/tenants/{tenant}/pin',
    summary: 'Take a pin off',
    roles: ADMIN,
    params: tenantParam,
    query: z.object({ reason: reason.default('unpinned') }),
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
    answer: z.object({ versions: z.array(versionSummarySchema) }),
  }),
  getVersion: operation({
    method: 'get',
    path: '/v1/topology/versions/{version}',
    summary: 'A base that was published',
    roles: READ,
    params: z.object({ version: z.coerce.number().pipe(versionSchema) }),
    answer: topologyBaseSchema,
  }),
  getBlastRadius: operation({
    method: 'get',
    path: '/v1/topology/blast-radius',
    summary: 'Who is hit when a cell, or a pair of cells, is lost',
    roles: READ,
    answer: blastRadiusSchema,
  }),
  reportRouter: operation({
    method: 'post',
    path: '/v1/reports/router',
    summary: 'What a router saw',
    roles: ['router'],
    body: routerReportSchema,
  }),
  getHostOrder: operation({
    method: 'get',
    path: '/v1/hosts/{host}/order',
    summary: 'What a host is to run (ETag; waits up to `wait` seconds for a change)',
    roles: ['admin', 'host'],
    params: hostParam,
    query: z.object({ wait: z.coerce.number().min(0).max(30).default(0) }),
    answer: hostOrderSchema,
  }),
  getCellCredentials: operation({
    method: 'get',
    path: '/v1/hosts/{host}/cells/{cell}/credentials',
    summary: 'The secrets of one cell, for the host that runs it',
    roles: ['host'],
    params: hostParam.extend({ cell: cellIdSchema }),
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
    answer: z.object({ entries: z.array(auditEntrySchema), next: z.string().nullable() }),
  }),
} as const

export type OperationName = keyof typeof OPERATIONS

/** Server-sent events of new documents: event `base` or `overlay`, data `{epoch, version}`, and `: ping` every few seconds. */
export const TOPOLOGY_EVENTS_PATH = '/v1/topology/events'
