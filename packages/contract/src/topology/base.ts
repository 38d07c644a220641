/**
 * The topology's base: placement, cells, assignments, rules. It changes slowly. Read with its overlay (health and
 * quarantines), it is all that a router needs.
 *
 * The document is data, not an algorithm: a consumer hashes the key to a bucket and looks the bucket up.
 * `bucket = xxh32(seed, utf8(key)) & (buckets − 1)`; `table` holds buckets × shard_size slots, 16 bit little-endian
 * each, in base64, row by row, home first.
 */
import * as v from 'valibot'
import { budgetSchema } from '../budget.ts'
import { cellIdSchema, fleetNameSchema, slotSchema, tenantIdSchema, zoneSchema } from '../identifiers.ts'
import { type Parsed, problem, refused } from '../problem.ts'
import { capacitySchema, cellRoleSchema, publicUrlSchema, weightSchema } from '../registry/cell.ts'
import {
  bucketsSchema,
  choiceSchema,
  deliverySchema,
  fleetKindSchema,
  keyRuleSchema,
  routeSchema,
  tokenPolicySchema,
} from '../routing-rules.ts'
import {
  about,
  between,
  count,
  dateTime,
  httpUrl,
  int,
  list,
  longList,
  parseWith,
  strictObject,
  text,
} from '../schema/index.ts'

/** The major format that this code reads and writes. Another one is refused, never guessed at. */
export const TOPOLOGY_FORMAT = 1

/**
 * No consumer reads a document larger than this (Cloudflare, 18 November 2025: a generated file outgrew a limit that
 * nobody had checked against, and every proxy crashed). 1,000 cells, 100,000 overrides and eight former tables stay below it.
 */
export const TOPOLOGY_BYTES_MAX = 32 * 1024 * 1024

export const FORMER_TABLES_MAX = 8

/** Tenants with cells that they had only by name. With 100,000 overrides beside them a base stays below its limit. */
export const FORMER_OVERRIDES_MAX = 20_000

/** Of one tenant: somebody who is pinned anew every hour has had a few, not all of a large fleet. */
export const FORMER_OVERRIDE_CELLS_MAX = 32

const base64 = v.pipe(text(0, TOPOLOGY_BYTES_MAX), v.regex(/^[A-Za-z0-9+/]*={0,2}$/, 'base64 is expected'))

/** Epoch rises when a store is restored or fenced; version with every document inside an epoch. Compared as a pair. */
export const versionSchema = v.pipe(count, v.maxValue(Number.MAX_SAFE_INTEGER))

export const signatureSchema = strictObject({
  algorithm: v.literal('Ed25519'),
  key_id: text(1, 128),
  value: v.pipe(
    text(0, 128),
    v.regex(/^[A-Za-z0-9_-]+$/, 'base64url is expected'),
    v.description('Over the RFC 8785 form of the document without this field.'),
  ),
})

export const topologyCellSchema = strictObject({
  slot: slotSchema,
  id: cellIdSchema,
  zone: zoneSchema,
  region: zoneSchema,
  role: cellRoleSchema,
  /** `active` cells are placed; the others only answer for what they hold. */
  state: v.picklist(['active', 'draining', 'drained']),
  endpoints: strictObject({
    http: httpUrl,
    public_http: v.optional(
      about(publicUrlSchema, 'Where the tenants’ own clients reach the cell; `http` when left out.'),
    ),
  }),
  capacity: capacitySchema,
  weight: weightSchema,
  release: text(0, 128),
})
export type TopologyCell = v.InferOutput<typeof topologyCellSchema>

export const overrideSchema = strictObject({
  tenant: tenantIdSchema,
  cells: about(list(slotSchema, 1, 8), 'Home first.'),
  reason: v.picklist(['pin', 'assignment', 'quarantine', 'migration']),
  generation: count,
})
export type Override = v.InferOutput<typeof overrideSchema>

const formerTableSchema = strictObject({
  version: about(
    versionSchema,
    'The last base version in which it was the table; of several that were packed into it, the newest.',
  ),
  until: about(dateTime, 'Kept until then, because ids or work may refer to it.'),
  table: base64,
})

export const formerOverrideSchema = strictObject({
  tenant: tenantIdSchema,
  cells: about(
    list(slotSchema, 1, FORMER_OVERRIDE_CELLS_MAX),
    'Cells that the tenant had by an override and has no more, the newest first. One that is gone is no error.',
  ),
  until: about(dateTime, 'Kept until then, because ids or work may refer to it.'),
})
export type FormerOverride = v.InferOutput<typeof formerOverrideSchema>

export const topologyBaseSchema = strictObject({
  format: v.literal(TOPOLOGY_FORMAT),
  kind: v.literal('base'),
  fleet: fleetNameSchema,
  fleet_kind: fleetKindSchema,
  epoch: versionSchema,
  version: versionSchema,
  issued_at: dateTime,
  topology_ttl_seconds: int(1, 86_400),
  hash: strictObject({
    name: v.literal('xxh32'),
    version: v.literal(1),
    seed: int(0, 0xffff_ffff),
    buckets: bucketsSchema,
  }),
  placement: strictObject({ algorithm: text(1, 64), version: int(1) }),
  shard_size: int(1, 8),
  choice: choiceSchema,
  cells: list(topologyCellSchema, 0, 10_000),
  table: base64,
  former_tables: list(formerTableSchema, 0, FORMER_TABLES_MAX),
  overrides: longList(overrideSchema, 2_000_000),
  former_overrides: v.optional(
    about(longList(formerOverrideSchema, FORMER_OVERRIDES_MAX), 'A tenant once; none when left out.'),
  ),
  partition_key: list(keyRuleSchema, 1, 8),
  tokens: v.nullable(tokenPolicySchema),
  routes: list(routeSchema, 0, 256),
  delivery: v.optional(about(deliverySchema, 'Of routes that say nothing else; `proxy` when left out.')),
  quarantine: strictObject({ cell: v.nullable(slotSchema) }),
  limits: strictObject({
    ramp_seconds: between(0, 3600),
    unhealthy_share_max: about(
      between(0, 1),
      'An overlay that marks a larger share of cells unhealthy is applied with its health ignored.',
    ),
    budget: v.optional(
      about(
        budgetSchema,
        'What the next base may change before routers refuse it; the default budget when left out.',
      ),
    ),
  }),
  forced: v.optional(
    about(v.literal(true), 'A person forced this base over the budget: routers take it all the same.'),
  ),
  signature: signatureSchema,
})
export type TopologyBase = v.InferOutput<typeof topologyBaseSchema>
export type UnsignedTopologyBase = Omit<TopologyBase, 'signature'>

/** Shape only. Whether a consumer may take it is `acceptBase` in core. */
export function parseTopologyBase(input: unknown): Parsed<TopologyBase> {
  return parseFormat(input) ?? parseWith(topologyBaseSchema, input)
}

/** Text → document, with the size limit applied before anything is parsed. */
export function parseTopologyText<T>(text: string, parse: (input: unknown) => Parsed<T>): Parsed<T> {
  if (text.length > TOPOLOGY_BYTES_MAX) {
    return refused(
      problem(
        'TOPOLOGY_TOO_LARGE',
        '',
        `the document has ${text.length} bytes; at most ${TOPOLOGY_BYTES_MAX} are read`,
      ),
    )
  }
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch (error) {
    return refused(
      problem(
        'TOPOLOGY_NOT_JSON',
        '',
        `the document of ${text.length} bytes is not JSON: ${(error as Error).message}; it may be cut off`,
      ),
    )
  }
  return parse(value)
}

/** The format is looked at first: problems found with another format's fields would only mislead. */
export function parseFormat(input: unknown): Parsed<never> | undefined {
  const format =
    typeof input === 'object' && input !== null ? (input as Record<string, unknown>)['format'] : undefined
  if (format === TOPOLOGY_FORMAT || format === undefined) return undefined
  return refused(
    problem(
      'TOPOLOGY_FORMAT_UNKNOWN',
      'format',
      `found format ${JSON.stringify(format)}; this version reads ${TOPOLOGY_FORMAT}; upgrade the consumer first`,
    ),
  )
}
