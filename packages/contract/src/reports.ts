/**
 * What routers and hosts tell the control plane, and what it tells a host. Reports are dropped rather than queued: the
 * next one says it again.
 */
import { z } from 'zod'
import { componentSchema } from './fleet-file/component.ts'
import { cellIdSchema, componentNameSchema, hostIdSchema, slotSchema } from './identifiers.ts'
import { holdingsSchema, storeSchema } from './registry/cell.ts'
import { versionSchema } from './topology/base.ts'

const count = z.int().min(0)

/** Once a second from every router process: counters since its start, so that a lost report loses nothing. */
export const routerReportSchema = z
  .strictObject({
    router: z.string().min(1).max(128),
    started_at: z.iso.datetime(),
    at: z.iso.datetime(),
    base: z.strictObject({ epoch: versionSchema, version: versionSchema }).nullable(),
    overlay: z.strictObject({ epoch: versionSchema, version: versionSchema }).nullable(),
    refused_documents: count,
    last_refusal: z.string().max(1024).nullable(),
    cells: z
      .array(
        z.strictObject({
          slot: slotSchema,
          requests: count,
          errors: count.describe('5xx answers and failed attempts'),
          connect_failures: count,
          in_flight: count,
          is_ejected: z.boolean(),
        }),
      )
      .max(10_000),
    tenants: z
      .array(z.strictObject({ tenant: z.string().max(256), requests: count, errors: count }))
      .max(256)
      .describe('The busiest tenants since the last report; bounded.'),
  })
  .meta({ id: 'RouterReport' })
export type RouterReport = z.infer<typeof routerReportSchema>

/** What a host is to run. Fenced by the epoch: an agent refuses an order of an older one. */
export const hostOrderSchema = z
  .strictObject({
    host: hostIdSchema,
    fleet: z.string(),
    epoch: versionSchema,
    version: versionSchema,
    directory: z.string().describe('The fleet file’s folder on the host; components run relative to it.'),
    components: z.array(componentSchema),
    cells: z
      .array(
        z.strictObject({
          id: cellIdSchema,
          slot: slotSchema,
          zone: z.string(),
          region: z.string(),
          role: z.enum(['serving', 'quarantine']),
          wanted: z.enum(['running', 'stopped']),
          release: z.string(),
          database: z.enum(['postgres', 'none', 'external']),
          health_path: z.string(),
          holdings: z.enum(['reported', 'none']),
          retention_hours: z.number(),
          capacity: z.record(z.string(), z.number()),
          memory_mb: z.int().nullable(),
          cpus: z.number().nullable(),
        }),
      )
      .max(1000),
    tokens: z
      .strictObject({
        issuer: z.string(),
        audience: z.string(),
        algorithms: z.array(z.string()),
        claim: z.string(),
      })
      .nullable(),
  })
  .meta({ id: 'HostOrder' })
export type HostOrder = z.infer<typeof hostOrderSchema>
export type HostOrderCell = HostOrder['cells'][number]

/** Secrets of one cell, fetched apart from the order so that no order on disk holds one. `router_secrets`: the current one first, the former one while it rotates. */
export const cellCredentialsSchema = z
  .strictObject({
    cell: cellIdSchema,
    router_secrets: z.array(z.string().min(32)).min(1).max(2),
    database_url: z.string().nullable(),
  })
  .meta({ id: 'CellCredentials' })
export type CellCredentials = z.infer<typeof cellCredentialsSchema>

export const componentStatusSchema = z.strictObject({
  name: componentNameSchema.or(z.literal('postgres')),
  phase: z.enum([
    'waiting',
    'bootstrapping',
    'starting',
    'running',
    'backing-off',
    'stopping',
    'stopped',
    'failed',
  ]),
  pid: z.int().nullable(),
  port: z.int().nullable(),
  restarts: count,
  is_healthy: z.boolean(),
  last_error: z.string().max(2048).nullable(),
})
export type ComponentStatus = z.infer<typeof componentStatusSchema>

/** From every agent: each second and on each change. */
export const hostReportSchema = z
  .strictObject({
    host: hostIdSchema,
    at: z.iso.datetime(),
    order: z.strictObject({ epoch: versionSchema, version: versionSchema }).nullable(),
    cells: z
      .array(
        z.strictObject({
          id: cellIdSchema,
          slot: slotSchema,
          is_running: z.boolean().describe('Every component runs and is healthy.'),
          endpoint: z.url().nullable(),
          stores: z.array(storeSchema),
          components: z.array(componentStatusSchema),
          holdings: holdingsSchema.nullable(),
          limits: z.string().describe('Which resource limits are in force, or why none are.'),
        }),
      )
      .max(1000),
  })
  .meta({ id: 'HostReport' })
export type HostReport = z.infer<typeof hostReportSchema>
