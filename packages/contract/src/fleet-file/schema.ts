/**
 * The fleet file, `cellplane.yaml`: what a fleet is, written by a person.
 *
 * Unknown fields are refused, so that a misspelt limit is not silently no limit. The same schema is published as JSON
 * Schema for editors (`schemas/cellplane.schema.json`).
 */
import { z } from 'zod'
import { cellIdSchema, componentNameSchema, fleetNameSchema, zoneSchema } from '../identifiers.ts'
import { capacitySchema, publicUrlSchema, stageSchema, weightSchema } from '../registry/cell.ts'
import {
  choiceSchema,
  deliverySchema,
  fleetKindSchema,
  keyRuleSchema,
  routeSchema,
  tokenPolicySchema,
} from '../routing-rules.ts'
import { commandSchema, componentSchema } from './component.ts'

/** Keys that no router can route by without asking someone; kept in the grammar so that the refusal can explain itself. */
const lookupRuleSchema = z.strictObject({
  from: z.enum(['database', 'session', 'body', 'api-key']),
  name: z.string().max(128).optional(),
})

const partitionKeySchema = z.strictObject({
  rules: z
    .array(z.union([keyRuleSchema, lookupRuleSchema]))
    .min(1)
    .max(8),
  distinct_values: z
    .int()
    .positive()
    .optional()
    .describe('About how many tenants there are or will be; `cellplane plan` lints with it.'),
  changes: z.boolean().default(false).describe('Whether a tenant’s key can change during its life.'),
})

const tokensSchema = tokenPolicySchema.extend({
  jwks_url: z.url({ protocol: /^https?$/ }).optional(),
  jwks_file: z.string().max(1024).optional().describe('Relative to the fleet file.'),
})

const placementSchema = z.strictObject({
  shard_size: z.int().min(1).max(8).default(2),
  buckets: z
    .int()
    .min(16)
    .max(1 << 20)
    .refine((n) => (n & (n - 1)) === 0, 'a power of two is expected')
    .default(65_536),
  seed: z.int().min(0).max(0xffff_ffff).optional().describe('Left out: derived from the fleet’s name.'),
  choice: choiceSchema.default('home-first'),
})

const databaseSchema = z.strictObject({
  url: z
    .string()
    .regex(/^postgres(ql)?:\/\//, 'a postgres:// URL is expected')
    .optional()
    .describe(
      'An existing database for this cell. Left out: the host’s agent runs a PostgreSQL server for the cell.',
    ),
})

const resourcesSchema = z.strictObject({
  memory_mb: z
    .int()
    .min(32)
    .optional()
    .describe('Hard limit on the whole cell, where the machine has cgroups.'),
  cpus: z.number().positive().optional(),
})

const cellEntrySchema = z.strictObject({
  id: cellIdSchema,
  zone: zoneSchema.optional(),
  weight: weightSchema.optional(),
  capacity: capacitySchema.optional(),
  database: databaseSchema.optional(),
  dns_names: z.array(z.string().max(253)).max(8).optional(),
  public_url: publicUrlSchema.optional().describe('Instead of what `cells.public_url` makes of its id.'),
  price_per_hour: z.number().min(0).optional(),
})

/** More cells than a team can run are refused unless raised on purpose (the guide's second pitfall: 200 a region is unmanageable for most). */
const CELLS_MAX_DEFAULT = 200

const cellsSchema = z.strictObject({
  count: z.int().min(1).max(1000).optional().describe('cell-001 … cell-NNN, spread over the zones in turn.'),
  list: z.array(cellEntrySchema).min(1).max(1000).optional(),
  max: z.int().min(1).max(1000).default(CELLS_MAX_DEFAULT),
  zones: z.array(zoneSchema).min(1).max(32).default(['local']),
  weight: weightSchema.default(10),
  capacity: capacitySchema.prefault({}),
  resources: resourcesSchema.prefault({}),
  public_url: z
    .string()
    .max(512)
    .optional()
    .describe(
      '`https://{cell}.example.com`: where the tenants’ own clients reach each cell. They are told it by redirects and by the endpoints path; left out, they are told where routers reach it.',
    ),
  database: z.enum(['postgres', 'none']).default('postgres'),
  retention_hours: z
    .number()
    .min(0)
    .max(24 * 3660)
    .default(168)
    .describe(
      'How long a cell’s records must stay readable; a cell that holds younger ones cannot be retired, and former tables are kept this long.',
    ),
  holdings: z
    .enum(['reported', 'none'])
    .default('reported')
    .describe('`none`: the cells keep nothing of their own, so nothing hinders retiring one.'),
})

const quarantineSchema = z.strictObject({
  enabled: z.boolean().default(true),
  id: cellIdSchema.default('quarantine'),
  capacity: capacitySchema.optional(),
})

const healthSchema = z.strictObject({
  path: z.string().startsWith('/').max(256).default('/healthz'),
  interval_ms: z.int().min(100).max(60_000).default(1000),
  timeout_ms: z.int().min(50).max(60_000).default(1000),
  unhealthy_after: z.int().min(1).max(20).default(3).describe('Failed probes in a row.'),
  healthy_after: z.int().min(1).max(20).default(2),
  ramp_seconds: z
    .number()
    .min(0)
    .max(3600)
    .default(10)
    .describe('How long a cell that comes back takes to get its full share again.'),
  freeze_share: z
    .number()
    .min(0.05)
    .max(1)
    .default(0.5)
    .describe(
      'When more than this share of cells looks unhealthy at once, the monitor is presumed wrong and nothing is taken out.',
    ),
})

const sizingSchema = z.strictObject({
  peak_requests_per_second: z.number().positive(),
  largest_tenant_requests_per_second: z.number().positive().optional(),
  request_ms: z.number().positive().optional().describe('Mean time in the cell, for Little’s law.'),
  service_type: z
    .enum(['b2b-saas', 'consumer-messaging', 'multi-tenant-database', 'internal-platform'])
    .optional(),
  tenants: z.int().positive().optional(),
})

const localServiceSchema = z.strictObject({
  name: componentNameSchema,
  run: commandSchema,
  directory: z.string().max(1024).default('.'),
  ports: z
    .array(z.string().regex(/^[a-z][a-z0-9_]*$/))
    .max(8)
    .default([])
    .describe(
      'Names of ports to allocate. The service gets $<NAME>_PORT, every component of every cell $LOCAL_<SERVICE>_<NAME>_PORT.',
    ),
  env: z.record(z.string(), z.string()).default({}),
})

export const fleetFileShape = z.strictObject({
  format: z.literal(1),
  fleet: fleetNameSchema,
  kind: fleetKindSchema,
  region: zoneSchema.default('local'),
  stage: stageSchema.default('dev'),
  release: z.string().min(1).max(128).default('dev').describe('Name of the release that the components are.'),
  partition_key: partitionKeySchema,
  tokens: tokensSchema
    .optional()
    .describe('Left out with stage dev: a development issuer is made, and `cellplane token` issues tokens.'),
  placement: placementSchema.prefault({}),
  cells: cellsSchema,
  quarantine: quarantineSchema.prefault({}),
  health: healthSchema.prefault({}),
  components: z.array(componentSchema).min(1).max(16),
  routes: z.array(routeSchema).max(256).default([]),
  delivery: deliverySchema
    .default('proxy')
    .describe(
      'Of routes that say nothing else. `redirect`: routers answer 307 with the public URL of the tenant’s cell, and the cells face the tenants’ clients themselves.',
    ),
  sizing: sizingSchema.optional(),
  local: z
    .strictObject({
      services: z.array(localServiceSchema).max(8).default([]),
      try: z
        .string()
        .max(4096)
        .optional()
        .describe(
          'What `cellplane up` prints to try the fleet with, such as a curl. {router} is the routers’ URL, {token} a token for {tenant}, {sinks.http} the port http of the local service sinks.',
        ),
    })
    .prefault({})
    .describe('What `cellplane up` runs beside the fleet on a laptop, such as stand-ins for providers.'),
})

export type FleetFile = z.infer<typeof fleetFileShape>
export type CellEntry = z.infer<typeof cellEntrySchema>
export type LocalService = z.infer<typeof localServiceSchema>
export type SizingInput = z.infer<typeof sizingSchema>
export type HealthPolicy = z.infer<typeof healthSchema>
