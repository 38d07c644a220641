/**
 * The compiler: registry, table and policy → the document that routers follow. Pure; the caller signs and publishes.
 *
 * It holds the publisher to more than a consumer asks for (`buildRoutingIndex` runs here too): tenants are placed on
 * active cells only, so that a cell which is to be drained cannot stay in the table by mistake.
 */
import {
  BUDGET_DEFAULTS,
  type Cell,
  canonicalJson,
  encodeTable,
  type FormerOverride,
  type KeyRule,
  type Override,
  type Parsed,
  type Problem,
  parsed,
  problem,
  SLOT_NONE,
  TOPOLOGY_FORMAT,
  type TokenPolicy,
  type TopologyCell,
  type TopologyOverlay,
  type UnsignedTopologyBase,
  type UnsignedTopologyOverlay,
} from '@cellplane/contract'
import type { FleetFile } from '@cellplane/contract/fleet-file'
import { hashKey } from '../hash/bucket.ts'
import type { PlacementPolicy } from '../placement/place.ts'
import { PLACEMENT_ALGORITHM } from '../placement/place.ts'
import { buildRoutingIndex } from './pack-index.ts'

/** How long health marks count without news, in seconds: the guide's figure. */
export const TOPOLOGY_TTL_SECONDS = 60

export type BaseInput = {
  fleet: FleetFile
  /** Whole registry; what is not active, draining or drained is left out of the document. */
  cells: readonly Cell[]
  /** Slots, buckets × shard size, as `place` returns them. */
  table: Uint16Array
  /** Newest first. `version` is the last base in which it was the table; `until` is ISO 8601. */
  formerTables: readonly { version: number; until: string; table: Uint16Array }[]
  overrides: readonly Override[]
  /** A tenant once. */
  formerOverrides: readonly FormerOverride[]
  /** Who issues the tenants' tokens; null when no rule reads one. A development issuer is not in the fleet file. */
  tokens: TokenPolicy | null
  epoch: number
  version: number
  /** ISO 8601. */
  issuedAt: string
}

/** What `place` is to reach, from the fleet file. The seed is the fleet's own unless it is given. */
export function placementPolicyOf({ fleet, placement }: FleetFile): PlacementPolicy {
  return {
    buckets: placement.buckets,
    shardSize: placement.shard_size,
    seed: placement.seed ?? hashKey(fleet, 0),
  }
}

/** Problems: TOPOLOGY_CELL_WITHOUT_ENDPOINT, TOPOLOGY_CELL_NOT_ACTIVE and those of `buildRoutingIndex`. */
export function compileBase(input: BaseInput): Parsed<UnsignedTopologyBase> {
  const { fleet } = input
  const policy = placementPolicyOf(fleet)
  const published = input.cells.filter(isPublished).sort((a, b) => a.slot - b.slot)
  const absorber = published.find((cell) => cell.role === 'quarantine' && cell.state === 'active')
  const base: UnsignedTopologyBase = {
    format: TOPOLOGY_FORMAT,
    kind: 'base',
    fleet: fleet.fleet,
    fleet_kind: fleet.kind,
    epoch: input.epoch,
    version: input.version,
    issued_at: input.issuedAt,
    topology_ttl_seconds: TOPOLOGY_TTL_SECONDS,
    hash: { name: 'xxh32', version: 1, seed: policy.seed, buckets: policy.buckets },
    placement: PLACEMENT_ALGORITHM,
    shard_size: policy.shardSize,
    choice: fleet.placement.choice,
    cells: published.map(topologyCell),
    table: encodeTable(input.table),
    former_tables: input.formerTables.map(({ version, until, table }) => ({
      version,
      until,
      table: encodeTable(table),
    })),
    overrides: input.overrides.map(inKeyOrder),
    ...(input.formerOverrides.length === 0 ? {} : { former_overrides: [...input.formerOverrides] }),
    partition_key: fleet.partition_key.rules.filter(isKeyRule),
    tokens: input.tokens,
    routes: fleet.routes,
    ...(fleet.delivery === 'proxy' ? {} : { delivery: fleet.delivery }),
    quarantine: { cell: absorber?.slot ?? null },
    limits: {
      ramp_seconds: fleet.health.ramp_seconds,
      unhealthy_share_max: fleet.health.freeze_share,
      ...(canonicalJson(fleet.budget) === canonicalJson(BUDGET_DEFAULTS) ? {} : { budget: fleet.budget }),
    },
  }
  const problems = [...checkEndpoints(input.cells), ...checkPlaced(input.table, published)]
  if (problems.length > 0) return { ok: false, problems }
  const index = buildRoutingIndex(base)
  return index.ok ? parsed(base) : index
}

export type OverlayInput = {
  fleet: string
  epoch: number
  version: number
  /** Version of the base that it refines. */
  baseVersion: number
  /** ISO 8601. */
  issuedAt: string
  unhealthy: TopologyOverlay['unhealthy']
  quarantined: TopologyOverlay['quarantined']
}

/** Slots and tenants are sorted, so that the same state always gives the same document. */
export function compileOverlay(input: OverlayInput): UnsignedTopologyOverlay {
  return {
    format: TOPOLOGY_FORMAT,
    kind: 'overlay',
    fleet: input.fleet,
    epoch: input.epoch,
    version: input.version,
    base_version: input.baseVersion,
    issued_at: input.issuedAt,
    unhealthy: [...input.unhealthy].sort((a, b) => a.slot - b.slot),
    quarantined: [...input.quarantined].sort((a, b) => (a.tenant < b.tenant ? -1 : 1)),
  }
}

/** As the canonical form has its keys: there are many, and neither who signs nor who verifies needs another copy. */
const inKeyOrder = ({ cells, generation, reason, tenant }: Override): Override => ({
  cells,
  generation,
  reason,
  tenant,
})

type PublishedCell = Cell & { endpoint: string; state: TopologyCell['state'] }

function isPublished(cell: Cell): cell is PublishedCell {
  return cell.endpoint !== null && isPublishedState(cell.state)
}

function isPublishedState(state: Cell['state']): state is TopologyCell['state'] {
  return state === 'active' || state === 'draining' || state === 'drained'
}

function topologyCell(cell: PublishedCell): TopologyCell {
  return {
    slot: cell.slot,
    id: cell.id,
    zone: cell.zone,
    region: cell.region,
    role: cell.role,
    state: cell.state,
    endpoints: {
      http: cell.endpoint,
      ...(cell.public_url === undefined ? {} : { public_http: cell.public_url }),
    },
    capacity: cell.capacity,
    weight: cell.weight,
    release: cell.release,
  }
}

/** The kinds that a router can read; the fleet file's grammar has others, so that their refusal can explain itself. */
const KEY_SOURCES: Record<KeyRule['from'], true> = {
  jwt: true,
  header: true,
  subdomain: true,
  sni: true,
  path: true,
  query: true,
  cookie: true,
}

function isKeyRule(rule: FleetFile['partition_key']['rules'][number]): rule is KeyRule {
  return Object.hasOwn(KEY_SOURCES, rule.from)
}

function checkEndpoints(cells: readonly Cell[]): Problem[] {
  return cells.flatMap((cell, i) =>
    cell.state === 'active' && cell.endpoint === null
      ? [
          problem(
            'TOPOLOGY_CELL_WITHOUT_ENDPOINT',
            `cells[${i}].endpoint`,
            `cell "${cell.id}" is active, but where it serves is not known; it becomes active only once its host reported that`,
          ),
        ]
      : [],
  )
}

function checkPlaced(table: Uint16Array, published: readonly PublishedCell[]): Problem[] {
  const isPlaced = new Uint8Array(SLOT_NONE + 1)
  for (const slot of table) isPlaced[slot] = 1
  return published.flatMap((cell) =>
    isPlaced[cell.slot] === 1 && !(cell.state === 'active' && cell.role === 'serving')
      ? [
          problem(
            'TOPOLOGY_CELL_NOT_ACTIVE',
            'table',
            `the table has places on cell "${cell.id}" (slot ${cell.slot}), which is ${cell.state} with role ${cell.role}; place again without it`,
          ),
        ]
      : [],
  )
}
