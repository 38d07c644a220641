/**
 * The fleet file, `cellplane.yaml`: what a fleet is, written by a person.
 *
 * Unknown fields are refused, so that a misspelt limit is not silently no limit. The same schema is published as JSON
 * Schema for editors (`schemas/cellplane.schema.json`).
 */
import * as v from 'valibot'
import { declaredBudgetSchema } from '../budget.ts'
import { cellIdSchema, componentNameSchema, fleetNameSchema, zoneSchema } from '../identifiers.ts'
import { capacitySchema, publicUrlSchema, stageSchema, weightSchema } from '../registry/cell.ts'
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
  atLeast,
  between,
  httpUrl,
  int,
  list,
  positive,
  positiveInt,
  record,
  strictObject,
  text,
} from '../schema/index.ts'
import { DEFAULT_SLOS, type Slo, slosSchema } from '../slo.ts'
import { commandSchema, componentSchema } from './component.ts'
import { observabilitySchema } from './observability.ts'

/** Keys that no router can route by without asking someone; kept in the grammar so that the refusal can explain itself. */
const lookupRuleSchema = strictObject({
  from: v.picklist(['database', 'session', 'body', 'api-key']),
  name: v.optional(text(0, 128)),
})

const partitionKeySchema = strictObject({
  rules: list(v.variant('from', [keyRuleSchema, lookupRuleSchema]), 1, 8),
  distinct_values: v.optional(
    about(positiveInt, 'About how many tenants there are or will be; `cellplane plan` lints with it.'),
  ),
  changes: v.optional(about(v.boolean(), 'Whether a tenant’s key can change during its life.'), false),
})

const tokensSchema = strictObject({
  ...tokenPolicySchema.entries,
  jwks_url: v.optional(httpUrl),
  jwks_file: v.optional(about(text(0, 1024), 'Relative to the fleet file.')),
})

const placementSchema = strictObject({
  shard_size: v.optional(int(1, 8), 2),
  buckets: v.optional(bucketsSchema, 65_536),
  seed: v.optional(about(int(0, 0xffff_ffff), 'Left out: derived from the fleet’s name.')),
  choice: v.optional(choiceSchema, 'home-first'),
})

const databaseSchema = strictObject({
  url: v.optional(
    v.pipe(
      v.string(),
      v.regex(/^postgres(ql)?:\/\//, 'a postgres:// URL is expected'),
      v.description(
        'An existing database for this cell. Left out: the host’s agent runs a PostgreSQL server for the cell.',
      ),
    ),
  ),
})

const resourcesSchema = strictObject({
  memory_mb: v.optional(about(int(32), 'Hard limit on the whole cell, where the machine has cgroups.')),
  cpus: v.optional(positive),
})

const cellEntrySchema = strictObject({
  id: cellIdSchema,
  zone: v.optional(zoneSchema),
  weight: v.optional(weightSchema),
  capacity: v.optional(capacitySchema),
  database: v.optional(databaseSchema),
  dns_names: v.optional(list(text(0, 253), 0, 8)),
  public_url: v.optional(about(publicUrlSchema, 'Instead of what `cells.public_url` makes of its id.')),
  price_per_hour: v.optional(atLeast(0)),
})

/** More cells than a team can run are refused unless raised on purpose (the guide's second pitfall: 200 a region is unmanageable for most). */
const CELLS_MAX_DEFAULT = 200

const cellsSchema = strictObject({
  count: v.optional(about(int(1, 1000), 'cell-001 … cell-NNN, spread over the zones in turn.')),
  list: v.optional(list(cellEntrySchema, 1, 1000)),
  max: v.optional(int(1, 1000), CELLS_MAX_DEFAULT),
  zones: v.optional(list(zoneSchema, 1, 32), ['local']),
  weight: v.optional(weightSchema, 10),
  capacity: v.optional(capacitySchema, {}),
  resources: v.optional(resourcesSchema, {}),
  public_url: v.optional(
    about(
      text(0, 512),
      '`https://{cell}.example.com`: where the tenants’ own clients reach each cell. They are told it by redirects and by the endpoints path; left out, they are told where routers reach it.',
    ),
  ),
  database: v.optional(v.picklist(['postgres', 'none']), 'postgres'),
  retention_hours: v.optional(
    about(
      between(0, 24 * 3660),
      'How long a cell’s records must stay readable; a cell that holds younger ones cannot be retired, and former tables are kept this long.',
    ),
    168,
  ),
  holdings: v.optional(
    about(
      v.picklist(['reported', 'none']),
      '`none`: the cells keep nothing of their own, so nothing hinders retiring one.',
    ),
    'reported',
  ),
})

const quarantineSchema = strictObject({
  enabled: v.optional(v.boolean(), true),
  id: v.optional(cellIdSchema, 'quarantine'),
  capacity: v.optional(capacitySchema),
  release: v.optional(
    about(
      v.picklist(['operator', 'probation']),
      'Who lets a tenant out again: an operator, or time. `probation`: after `probation_seconds`, if it is quiet; for twice as long each further time.',
    ),
    'operator',
  ),
  probation_seconds: v.optional(int(1, 86_400), 300),
})

const syntheticSchema = strictObject({
  path: v.pipe(v.string(), v.startsWith('/'), v.maxLength(1024)),
  method: v.optional(v.picklist(['POST', 'PUT', 'PATCH', 'GET']), 'POST'),
  body: v.optional(about(record(v.string(), v.unknown()), 'Sent as JSON.')),
  expect_status: v.optional(int(200, 599), 200),
  interval_ms: v.optional(int(100, 600_000), 5000),
  timeout_ms: v.optional(int(50, 60_000), 2000),
})

const healthSchema = strictObject({
  path: v.optional(v.pipe(v.string(), v.startsWith('/'), v.maxLength(256)), '/healthz'),
  interval_ms: v.optional(int(100, 60_000), 1000),
  timeout_ms: v.optional(int(50, 60_000), 1000),
  unhealthy_after: v.optional(about(int(1, 20), 'Failed probes in a row.'), 3),
  healthy_after: v.optional(int(1, 20), 2),
  ramp_seconds: v.optional(
    about(between(0, 3600), 'How long a cell that comes back takes to get its full share again.'),
    10,
  ),
  freeze_share: v.optional(
    about(
      between(0.05, 1),
      'When more than this share of cells looks unhealthy at once, the monitor is presumed wrong and nothing is taken out.',
    ),
    0.5,
  ),
  synthetic: v.optional(
    about(
      syntheticSchema,
      'A real request, made to each active cell as a tenant that is nobody’s: cellplane-synthetic-<cell>.',
    ),
  ),
})

const topologySchema = strictObject({
  watch_seconds: v.optional(
    about(
      between(0, 3600),
      'A new base goes to one router first, which is watched for this long before the others get it; 0: to all at once.',
    ),
    1,
  ),
})

const sizingSchema = strictObject({
  peak_requests_per_second: positive,
  largest_tenant_requests_per_second: v.optional(positive),
  request_ms: v.optional(about(positive, 'Mean time in the cell, for Little’s law.')),
  service_type: v.optional(
    v.picklist(['b2b-saas', 'consumer-messaging', 'multi-tenant-database', 'internal-platform']),
  ),
  tenants: v.optional(positiveInt),
})

const localServiceSchema = strictObject({
  name: componentNameSchema,
  run: commandSchema,
  directory: v.optional(text(0, 1024), '.'),
  ports: v.optional(
    about(
      list(v.pipe(v.string(), v.regex(/^[a-z][a-z0-9_]*$/, 'a port’s name is a–z, 0–9 and "_"')), 0, 8),
      'Names of ports to allocate. The service gets $<NAME>_PORT, every component of every cell $LOCAL_<SERVICE>_<NAME>_PORT.',
    ),
    [],
  ),
  env: v.optional(record(v.string(), v.string()), {}),
})

export const fleetFileShape = strictObject({
  format: v.literal(1),
  fleet: fleetNameSchema,
  kind: fleetKindSchema,
  region: v.optional(zoneSchema, 'local'),
  stage: v.optional(stageSchema, 'dev'),
  release: v.optional(about(text(1, 128), 'Name of the release that the components are.'), 'dev'),
  partition_key: partitionKeySchema,
  tokens: v.optional(
    about(
      tokensSchema,
      'Left out with stage dev: a development issuer is made, and `cellplane token` issues tokens.',
    ),
  ),
  placement: v.optional(placementSchema, {}),
  cells: cellsSchema,
  quarantine: v.optional(quarantineSchema, {}),
  health: v.optional(healthSchema, {}),
  budget: v.optional(
    about(
      declaredBudgetSchema,
      'The blast-radius budget: a change of the topology that exceeds it is refused, unless somebody who may force it does, with a reason.',
    ),
    {},
  ),
  topology: v.optional(topologySchema, {}),
  slos: v.optional(
    about(
      slosSchema,
      'Service level objectives, which every cell is held to by itself. Left out: 99.9 % answered, 99 % of them within a second, over 30 days.',
    ),
  ),
  slo_file: v.optional(
    about(text(1, 1024), 'OpenSLO v1 documents instead of `slos`; relative to the fleet file.'),
  ),
  observability: v.optional(
    about(observabilitySchema, 'Where metrics, spans and alerts go; `cellplane up` hands it on.'),
    {},
  ),
  components: list(componentSchema, 1, 16),
  routes: v.optional(list(routeSchema, 0, 256), []),
  delivery: v.optional(
    about(
      deliverySchema,
      'Of routes that say nothing else. `redirect`: routers answer 307 with the public URL of the tenant’s cell, and the cells face the tenants’ clients themselves.',
    ),
    'proxy',
  ),
  sizing: v.optional(sizingSchema),
  local: v.optional(
    about(
      strictObject({
        services: v.optional(list(localServiceSchema, 0, 8), []),
        try: v.optional(
          about(
            text(0, 4096),
            'What `cellplane up` prints to try the fleet with, such as a curl. {router} is the routers’ URL, {token} a token for {tenant}, {sinks.http} the port http of the local service sinks.',
          ),
        ),
      }),
      'What `cellplane up` runs beside the fleet on a laptop, such as stand-ins for providers.',
    ),
    {},
  ),
})

export type FleetFile = v.InferOutput<typeof fleetFileShape>

/** What every cell is held to. */
export const slosOf = ({ slos }: Pick<FleetFile, 'slos'>): Slo[] => slos ?? DEFAULT_SLOS

export type CellEntry = v.InferOutput<typeof cellEntrySchema>
export type LocalService = v.InferOutput<typeof localServiceSchema>
export type SizingInput = v.InferOutput<typeof sizingSchema>
export type SyntheticPolicy = v.InferOutput<typeof syntheticSchema>
export type HealthPolicy = v.InferOutput<typeof healthSchema>
