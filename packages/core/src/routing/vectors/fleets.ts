/**
 * The topologies of the routing vectors. All have the same eight cells, so that slots, indexes and numbers in ids differ,
 * and one table: five active cells in three zones, a draining one that only former tables and overrides know, a cell
 * that can be told apart by having no public URL, and the quarantine cell.
 */
import {
  encodeTable,
  type FormerOverride,
  formatCellNamingId,
  type KeyRule,
  type Override,
  type Route,
  SLOT_NONE,
  type TopologyCell,
  type UnsignedTopologyBase,
  type UnsignedTopologyOverlay,
} from '@cellplane/contract'
import { bucketOf } from '../../hash/bucket.ts'

const SINCE = '2026-01-01T00:00:00.000Z'
const FAR_OFF = '2099-01-01T00:00:00.000Z'
const BUCKETS = 16
const SEED = 7
/** Of a cell that was retired: former tables still have it, no document does. */
const GONE = 5

/** By number: the ids are `cell-0` and on. The last but one drains, the last is the quarantine cell. */
export const SLOTS = [0, 1, 2, 7, 40, 1021, 9] as const
const ZONES = ['a', 'b', 'c', 'a', 'b', 'c', 'a'] as const
const DRAINING = 5
const QUARANTINE = 6
/** Takes three times what another does, where weights count. */
const HEAVY = 3
/** Has no public URL, so callers are told where routers reach it. */
const WITHOUT_PUBLIC_URL = 3

const CELLS = SLOTS.map(
  (slot, n): TopologyCell => ({
    slot,
    id: `cell-${n}`,
    zone: ZONES[n]!,
    region: 'local',
    role: n === QUARANTINE ? 'quarantine' : 'serving',
    state: n === DRAINING ? 'draining' : 'active',
    endpoints: {
      http: `http://127.0.0.1:${7500 + 10 * n}`,
      ...(n === WITHOUT_PUBLIC_URL
        ? {}
        : { public_http: `https://cell-${n}.example.com${n === 1 ? '/base' : ''}` }),
    },
    capacity: {},
    weight: n === HEAVY ? 30 : 10,
    release: 'r1',
  }),
)

/** By bucket, home first, in numbers of cells. */
const TABLE: readonly (readonly [number, number])[] = [
  ...([
    [0, 1],
    [1, 2],
    [2, 3],
    [3, 4],
    [4, 0],
    [0, 2],
    [1, 3],
    [2, 4],
  ] as const),
  ...([
    [3, 1],
    [4, 2],
    [1, 0],
    [2, 1],
    [3, 2],
    [4, 3],
    [0, 4],
    [2, 0],
  ] as const),
]
/** The table before: its homes were the cells after those of today, and every second place was of a cell that is gone. */
const FORMER = TABLE.map(([home], bucket) => [
  SLOTS[(home + 2) % 5]!,
  bucket % 2 === 0 ? GONE : SLOTS[(home + 3) % 5]!,
])
/** Older ones, packed: what each bucket had besides, with holes. */
const PACKED = TABLE.map((_, bucket) =>
  bucket % 3 === 0
    ? [SLOTS[DRAINING], SLOT_NONE]
    : bucket % 3 === 1
      ? [SLOT_NONE, SLOT_NONE]
      : [GONE, SLOTS[4]],
)

const encode = (rows: readonly (readonly number[])[]) => encodeTable(Uint16Array.from(rows.flat()))

/** The first key `tenant-N` of a bucket. */
export function tenantOf(bucket: number): string {
  for (let n = 0; ; n++) {
    const tenant = `tenant-${n}`
    if (bucketOf(tenant, SEED, BUCKETS) === bucket) return tenant
  }
}

/** An id that a cell would have given out, the cell by its number. */
export const idAt = (cell: number) => formatCellNamingId('ord', SLOTS[cell]!, '01jd')

const ROUTES: Route[] = [
  { methods: ['GET'], path: '/v1/orders/{id}', failover: 'read', cell_in: 'id' },
  { methods: ['DELETE'], path: '/v1/orders/{id}/*', failover: 'home-only', cell_in: 'id' },
  { path: '/any/*', failover: 'any' },
  { path: '/idempotent/*', failover: 'idempotent' },
  { path: '/read/*', failover: 'read' },
  { path: '/home/*', failover: 'home-only' },
]

/** Of every reason, each for a tenant of another bucket, on cells that are not its bucket's. */
const OVERRIDES: Override[] = [
  { tenant: tenantOf(0), cells: [SLOTS[3], SLOTS[4]], reason: 'pin', generation: 0 },
  { tenant: tenantOf(1), cells: [SLOTS[4]], reason: 'assignment', generation: 1 },
  { tenant: tenantOf(2), cells: [SLOTS[DRAINING], SLOTS[0]], reason: 'assignment', generation: 12 },
  { tenant: tenantOf(3), cells: [SLOTS[QUARANTINE]], reason: 'quarantine', generation: 2 },
  { tenant: tenantOf(4), cells: [SLOTS[1], SLOTS[2], SLOTS[3]], reason: 'migration', generation: 3 },
  { tenant: 'mühle-東京', cells: [SLOTS[2], SLOTS[1]], reason: 'pin', generation: 0 },
]

/** Cells that tenants had by a pin: one that has none now, one that has another, one in quarantine; and a cell that is gone. */
const FORMER_OVERRIDES: FormerOverride[] = [
  { tenant: tenantOf(6), cells: [SLOTS[DRAINING], GONE, SLOTS[4]], until: FAR_OFF },
  { tenant: tenantOf(4), cells: [SLOTS[DRAINING], SLOTS[1]], until: FAR_OFF },
  { tenant: tenantOf(5), cells: [SLOTS[1]], until: FAR_OFF },
]

/** Tenants that the overlay sends to the quarantine cell: one by its bucket, and one that has a pin. */
export const QUARANTINED = [tenantOf(5), tenantOf(0)] as const

const EVERY_KIND: KeyRule[] = [
  { from: 'header', name: 'x-tenant' },
  { from: 'jwt', claim: 'customer_id' },
  { from: 'query', name: 'tenant' },
  { from: 'cookie', name: 'tenant' },
  { from: 'path', prefix: '/t/' },
  { from: 'sni', domain: 'tls.example.com' },
  { from: 'subdomain', domain: 'example.com' },
]

const LOWER_CASE: KeyRule[] = [
  { from: 'header', name: 'x-tenant', normalise: 'lower-case' },
  { from: 'jwt', claim: 'customer_id', normalise: 'lower-case' },
  { from: 'query', name: 'tenant', normalise: 'lower-case' },
  { from: 'cookie', name: 'tenant', normalise: 'lower-case' },
  { from: 'path', prefix: '/t/', normalise: 'lower-case' },
]

type FleetDocuments = { name: string; base: UnsignedTopologyBase; overlay: UnsignedTopologyOverlay }

export type VectorFleetName = keyof typeof DIFFERENCES

/** What sets each fleet apart; `marked` are numbers of cells that the overlay calls unhealthy. */
const DIFFERENCES = {
  keys: { base: { partition_key: EVERY_KIND } },
  'keys in lower case': { base: { partition_key: LOWER_CASE } },
  'home first': {},
  'home first, two cells marked': { marked: [1, 2] },
  'home first, most cells marked': { marked: [0, 1, 2] },
  'least loaded': { base: { choice: 'least-loaded' } },
  'least loaded, a cell marked': { base: { choice: 'least-loaded' }, marked: [2] },
  weighted: { base: { choice: 'weighted' } },
  stateful: { base: { fleet_kind: 'stateful' } },
  'stateful, two cells marked': { base: { fleet_kind: 'stateful' }, marked: [1, 4] },
  redirect: { base: { delivery: 'redirect' } },
  'redirect, two cells marked': {
    base: {
      routes: ROUTES.map((route) => (route.path === '/read/*' ? route : { ...route, delivery: 'redirect' })),
    },
    marked: [1, 2],
  },
} satisfies Record<string, { base?: Partial<UnsignedTopologyBase>; marked?: readonly number[] }>

export const VECTOR_FLEETS = Object.entries(DIFFERENCES).map(([name, difference]) =>
  documentsOf(name, difference),
)

function documentsOf(
  name: string,
  { base = {}, marked = [] }: { base?: Partial<UnsignedTopologyBase>; marked?: readonly number[] },
): FleetDocuments {
  return {
    name,
    base: {
      ...{ format: 1, kind: 'base', fleet: 'vectors', fleet_kind: 'stateless', epoch: 1, version: 3 },
      ...{ issued_at: SINCE, topology_ttl_seconds: 60 },
      hash: { name: 'xxh32', version: 1, seed: SEED, buckets: BUCKETS },
      placement: { algorithm: 'by-hand', version: 1 },
      ...{ shard_size: 2, choice: 'home-first', cells: CELLS },
      table: encode(TABLE.map((row) => row.map((n) => SLOTS[n]!))),
      former_tables: [
        { version: 2, until: FAR_OFF, table: encode(FORMER) },
        { version: 1, until: FAR_OFF, table: encode(PACKED as number[][]) },
      ],
      overrides: OVERRIDES,
      former_overrides: FORMER_OVERRIDES,
      partition_key: [
        { from: 'jwt', claim: 'customer_id' },
        { from: 'header', name: 'x-tenant' },
      ],
      tokens: { issuer: 'https://issuer.test', audience: 'service.test', algorithms: ['EdDSA'] },
      routes: ROUTES,
      quarantine: { cell: SLOTS[QUARANTINE] },
      limits: { ramp_seconds: 10, unhealthy_share_max: 0.5 },
      ...base,
    },
    overlay: {
      ...{ format: 1, kind: 'overlay', fleet: 'vectors', epoch: 1, version: 1, base_version: 3 },
      issued_at: SINCE,
      unhealthy: marked.map((n) => ({ slot: SLOTS[n]!, since: SINCE, reason: 'probes failed' })),
      quarantined: QUARANTINED.map((tenant) => ({ tenant, since: SINCE, reason: 'crashes cells' })),
    },
  }
}
