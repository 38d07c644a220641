/** A cell's entry in the registry: what the control plane knows of it. Published as JSON; the topology is compiled from it. */
import * as v from 'valibot'
import { cellIdSchema, componentNameSchema, hostIdSchema, slotSchema, zoneSchema } from '../identifiers.ts'
import {
  about,
  atLeast,
  between,
  count,
  dateTime,
  httpUrl,
  list,
  positive,
  positiveInt,
  strictObject,
  text,
} from '../schema/index.ts'

/** Declared ceilings, beyond which a cell sheds load. Left out means unbounded by declaration. */
export const capacitySchema = strictObject({
  requests_per_second: v.optional(positive),
  in_flight: v.optional(positiveInt),
  queue_depth: v.optional(positiveInt),
  tenants: v.optional(
    about(
      positiveInt,
      'Stateless fleets: how many tenants (registered or seen) may have the cell in their shard. Stateful fleets: of how many it may be the home.',
    ),
  ),
})
export type Capacity = v.InferOutput<typeof capacitySchema>

/** A base URL that a client is told: a query or a fragment would swallow the path that is put behind it. */
export const publicUrlSchema = v.pipe(
  httpUrl,
  v.maxLength(512),
  v.regex(/^[\x21-\x7e]+$/, 'a URL in ASCII is expected'),
  v.check((url) => !/[?#@]/.test(url), 'a URL without user, query and fragment is expected'),
)

/** 0 takes part in nothing; the cells' weights count only relative to each other. */
export const weightSchema = between(0, 100)

export const stageSchema = v.picklist(['prod', 'staging', 'dev'])

export const cellRoleSchema = v.picklist(['serving', 'quarantine'])
export type CellRole = v.InferOutput<typeof cellRoleSchema>

/**
 * provisioning → ready → active → draining → drained → retired, and undrain: draining | drained → active.
 * Only `active` cells are placed; `draining` and `drained` ones still answer for what they hold.
 */
export const cellStateSchema = v.picklist([
  'provisioning',
  'ready',
  'active',
  'draining',
  'drained',
  'retired',
])
export type CellState = v.InferOutput<typeof cellStateSchema>

/** A data store or queue that a cell uses. `identity` is the store's own name for itself where it has one, so that two addresses of one store are seen to be one. */
export const storeSchema = strictObject({
  kind: text(1, 32),
  location: about(text(1, 512), 'host:port/database, never with credentials'),
  identity: v.optional(about(text(1, 512), 'PostgreSQL: system identifier/database')),
})
export type Store = v.InferOutput<typeof storeSchema>

/** What a cell still holds, as its components report it. */
export const holdingsSchema = strictObject({
  undelivered: about(count, 'Accepted work that is not finished: queued, leased or waiting for a retry.'),
  retained: about(count, 'Records within their retention.'),
  retained_until: about(v.nullable(dateTime), 'When the last of them leaves its retention.'),
})
export type Holdings = v.InferOutput<typeof holdingsSchema>

export const cellSchema = v.pipe(
  strictObject({
    id: cellIdSchema,
    slot: slotSchema,
    role: cellRoleSchema,
    state: cellStateSchema,
    state_since: dateTime,
    region: zoneSchema,
    zone: zoneSchema,
    stage: stageSchema,
    provider: text(0, 64),
    account: text(0, 128),
    host: hostIdSchema,
    dns_names: list(text(0, 253)),
    capacity: capacitySchema,
    weight: weightSchema,
    release: text(0, 128),
    /** Base URL of the component that serves, once the host reported it. */
    endpoint: v.nullable(v.pipe(v.string(), v.url())),
    /** Where the tenants' own clients reach it, when that is somewhere else. */
    public_url: v.optional(publicUrlSchema),
    stores: list(storeSchema),
    components: list(componentNameSchema),
    price_per_hour: v.nullable(atLeast(0)),
  }),
  v.metadata({ id: 'Cell' }),
)
export type Cell = v.InferOutput<typeof cellSchema>

/** A cell as the API shows it: the registry entry with what was last seen of it. */
export const cellViewSchema = v.pipe(
  strictObject({
    ...cellSchema.entries,
    health: v.picklist(['healthy', 'suspect', 'unhealthy', 'unknown']),
    health_reason: v.string(),
    holdings: v.nullable(holdingsSchema),
    problem: about(v.nullable(v.string()), 'Why it does not advance, in words.'),
  }),
  v.metadata({ id: 'CellView' }),
)
export type CellView = v.InferOutput<typeof cellViewSchema>
