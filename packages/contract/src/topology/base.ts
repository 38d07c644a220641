/**
 * The topology's base: placement, cells, assignments, rules. It changes slowly. Read with its overlay (health and
 * quarantines), it is all that a router needs.
 *
 * The document is data, not an algorithm: a consumer hashes the key to a bucket and looks the bucket up.
 * `bucket = xxh32(seed, utf8(key)) & (buckets − 1)`; `table` holds buckets × shard_size slots, 16 bit little-endian
 * each, in base64, row by row, home first.
 */
import { z } from 'zod'
import { cellIdSchema, fleetNameSchema, slotSchema, tenantIdSchema, zoneSchema } from '../identifiers.ts'
import { type Parsed, parseWith, problem, refused } from '../problem.ts'
import { capacitySchema, cellRoleSchema, publicUrlSchema, weightSchema } from '../registry/cell.ts'
import {
  choiceSchema,
  deliverySchema,
  fleetKindSchema,
  keyRuleSchema,
  routeSchema,
  tokenPolicySchema,
} from '../routing-rules.ts'

/** The major format that this code reads and writes. Another one is refused, never guessed at. */
export const TOPOLOGY_FORMAT = 1

/**
 * No consumer reads a document larger than this (Cloudflare, 18 November 2025: a generated file outgrew a limit that
 * nobody had checked against, and every proxy crashed). 1,000 cells, 100,000 overrides and eight former tables stay below it.
 */
export const TOPOLOGY_BYTES_MAX = 32 * 1024 * 1024

export const FORMER_TABLES_MAX = 8

const base64 = z
  .string()
  .max(TOPOLOGY_BYTES_MAX)
  .regex(/^[A-Za-z0-9+/]*={0,2}$/, 'base64 is expected')

/** Epoch rises when a store is restored or fenced; version with every document inside an epoch. Compared as a pair. */
export const versionSchema = z.int().min(0).max(Number.MAX_SAFE_INTEGER)

export const signatureSchema = z.strictObject({
  algorithm: z.literal('Ed25519'),
  key_id: z.string().min(1).max(128),
  value: z
    .string()
    .max(128)
    .regex(/^[A-Za-z0-9_-]+$/, 'base64url is expected')
    .describe('Over the RFC 8785 form of the document without this field.'),
})

export const topologyCellSchema = z.strictObject({
  slot: slotSchema,
  id: cellIdSchema,
  zone: zoneSchema,
  region: zoneSchema,
  role: cellRoleSchema,
  /** `active` cells are placed; the others only answer for what they hold. */
  state: z.enum(['active', 'draining', 'drained']),
  endpoints: z.strictObject({
    http: z.url({ protocol: /^https?$/ }),
    public_http: publicUrlSchema
      .optional()
      .describe('Where the tenants’ own clients reach the cell; `http` when left out.'),
  }),
  capacity: capacitySchema,
  weight: weightSchema,
  release: z.string().max(128),
})
export type TopologyCell = z.infer<typeof topologyCellSchema>

export const overrideSchema = z.strictObject({
  tenant: tenantIdSchema,
  cells: z.array(slotSchema).min(1).max(8).describe('Home first.'),
  reason: z.enum(['pin', 'assignment', 'quarantine', 'migration']),
  generation: z.int().min(0),
})
export type Override = z.infer<typeof overrideSchema>

const formerTableSchema = z.strictObject({
  version: versionSchema.describe(
    'The last base version in which it was the table; of several that were packed into it, the newest.',
  ),
  until: z.iso.datetime().describe('Kept until then, because ids or work may refer to it.'),
  table: base64,
})

export const topologyBaseSchema = z.strictObject({
  format: z.literal(TOPOLOGY_FORMAT),
  kind: z.literal('base'),
  fleet: fleetNameSchema,
  fleet_kind: fleetKindSchema,
  epoch: versionSchema,
  version: versionSchema,
  issued_at: z.iso.datetime(),
  topology_ttl_seconds: z.int().min(1).max(86_400),
  hash: z.strictObject({
    name: z.literal('xxh32'),
    version: z.literal(1),
    seed: z.int().min(0).max(0xffff_ffff),
    buckets: z
      .int()
      .min(16)
      .max(1 << 20)
      .refine((n) => (n & (n - 1)) === 0, 'a power of two is expected'),
  }),
  placement: z.strictObject({ algorithm: z.string().min(1).max(64), version: z.int().min(1) }),
  shard_size: z.int().min(1).max(8),
  choice: choiceSchema,
  cells: z.array(topologyCellSchema).max(10_000),
  table: base64,
  former_tables: z.array(formerTableSchema).max(FORMER_TABLES_MAX),
  overrides: z.array(overrideSchema).max(2_000_000),
  partition_key: z.array(keyRuleSchema).min(1).max(8),
  tokens: tokenPolicySchema.nullable(),
  routes: z.array(routeSchema).max(256),
  delivery: deliverySchema.optional().describe('Of routes that say nothing else; `proxy` when left out.'),
  quarantine: z.strictObject({ cell: slotSchema.nullable() }),
  limits: z.strictObject({
    ramp_seconds: z.number().min(0).max(3600),
    unhealthy_share_max: z
      .number()
      .min(0)
      .max(1)
      .describe(
        'An overlay that marks a larger share of cells unhealthy is applied with its health ignored.',
      ),
  }),
  signature: signatureSchema,
})
export type TopologyBase = z.infer<typeof topologyBaseSchema>
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
