/** A cell's entry in the registry: what the control plane knows of it. Published as JSON; the topology is compiled from it. */
import { z } from 'zod'
import { cellIdSchema, componentNameSchema, hostIdSchema, slotSchema, zoneSchema } from '../identifiers.ts'

/** Declared ceilings, beyond which a cell sheds load. Left out means unbounded by declaration. */
export const capacitySchema = z.strictObject({
  requests_per_second: z.number().positive().optional(),
  in_flight: z.int().positive().optional(),
  queue_depth: z.int().positive().optional(),
  tenants: z
    .int()
    .positive()
    .optional()
    .describe(
      'Stateless fleets: how many tenants (registered or seen) may have the cell in their shard. Stateful fleets: of how many it may be the home.',
    ),
})
export type Capacity = z.infer<typeof capacitySchema>

/** A base URL that a client is told: a query or a fragment would swallow the path that is put behind it. */
export const publicUrlSchema = z
  .url({ protocol: /^https?$/ })
  .max(512)
  .regex(/^[\x21-\x7e]+$/, 'a URL in ASCII is expected')
  .refine((url) => !/[?#@]/.test(url), 'a URL without user, query and fragment is expected')

/** 0 takes part in nothing; the cells' weights count only relative to each other. */
export const weightSchema = z.number().min(0).max(100)

export const stageSchema = z.enum(['prod', 'staging', 'dev'])

export const cellRoleSchema = z.enum(['serving', 'quarantine'])
export type CellRole = z.infer<typeof cellRoleSchema>

/**
 * provisioning → ready → active → draining → drained → retired, and undrain: draining | drained → active.
 * Only `active` cells are placed; `draining` and `drained` ones still answer for what they hold.
 */
export const cellStateSchema = z.enum(['provisioning', 'ready', 'active', 'draining', 'drained', 'retired'])
export type CellState = z.infer<typeof cellStateSchema>

/** A data store or queue that a cell uses. `identity` is the store's own name for itself where it has one, so that two addresses of one store are seen to be one. */
export const storeSchema = z.strictObject({
  kind: z.string().min(1).max(32),
  location: z.string().min(1).max(512).describe('host:port/database, never with credentials'),
  identity: z.string().min(1).max(512).optional().describe('PostgreSQL: system identifier/database'),
})
export type Store = z.infer<typeof storeSchema>

/** What a cell still holds, as its components report it. */
export const holdingsSchema = z.strictObject({
  undelivered: z
    .int()
    .min(0)
    .describe('Accepted work that is not finished: queued, leased or waiting for a retry.'),
  retained: z.int().min(0).describe('Records within their retention.'),
  retained_until: z.iso.datetime().nullable().describe('When the last of them leaves its retention.'),
})
export type Holdings = z.infer<typeof holdingsSchema>

export const cellSchema = z
  .strictObject({
    id: cellIdSchema,
    slot: slotSchema,
    role: cellRoleSchema,
    state: cellStateSchema,
    state_since: z.iso.datetime(),
    region: zoneSchema,
    zone: zoneSchema,
    stage: stageSchema,
    provider: z.string().max(64),
    account: z.string().max(128),
    host: hostIdSchema,
    dns_names: z.array(z.string().max(253)),
    capacity: capacitySchema,
    weight: weightSchema,
    release: z.string().max(128),
    /** Base URL of the component that serves, once the host reported it. */
    endpoint: z.url().nullable(),
    /** Where the tenants' own clients reach it, when that is somewhere else. */
    public_url: publicUrlSchema.optional(),
    stores: z.array(storeSchema),
    components: z.array(componentNameSchema),
    price_per_hour: z.number().min(0).nullable(),
  })
  .meta({ id: 'Cell' })
export type Cell = z.infer<typeof cellSchema>

/** A cell as the API shows it: the registry entry with what was last seen of it. */
export const cellViewSchema = cellSchema
  .extend({
    health: z.enum(['healthy', 'unhealthy', 'unknown']),
    health_reason: z.string(),
    holdings: holdingsSchema.nullable(),
    problem: z.string().nullable().describe('Why it does not advance, in words.'),
  })
  .meta({ id: 'CellView' })
export type CellView = z.infer<typeof cellViewSchema>
