/**
 * What a fleet file comes to, before anything runs: sizing, placement, blast radius, and lints on the partition key.
 * Pure: the same file and the same sample give the same plan everywhere.
 */
import { type Parsed, problem, refused } from '@cellplane/contract'
import type { BlastRadius } from '@cellplane/contract/api'
import { cellsOf, type DeclaredCell, type FleetFile } from '@cellplane/contract/fleet-file'
import {
  blastRadius,
  bucketOf,
  type Lint,
  lintPartitionKey,
  measurePlacement,
  namedKey,
  type Placement,
  place,
  placementPolicyOf,
  type SizingReport,
  sizeFleet,
  TENANTS_BOUND_UNMET,
} from '@cellplane/core'

export type FleetPlan = {
  fleet: string
  kind: FleetFile['kind']
  cells: PlannedCell[]
  quarantine: string | null
  placement: {
    buckets: number
    shard_size: number
    distinct_shards: number
    /** The chance that two tenants share all of their cells. */
    full_overlap: number
    notes: string[]
  }
  blast_radius: BlastRadius
  sizing: SizingReport | null
  lints: Lint[]
}

export type PlannedCell = {
  id: string
  zone: string
  weight: number
  /** Shares 0–1 of all places and of all homes. */
  places: number
  homes: number
}

/** `sample` are partition keys of real requests, each as often as it occurs. Problems are those of the placement. */
export function planFleet(fleet: FleetFile, sample: readonly string[] | undefined): Parsed<FleetPlan> {
  const sampleKeys = sample?.map((key) => namedKey(fleet.partition_key.rules, key))
  const declared = cellsOf(fleet)
  const policy = placementPolicyOf(fleet)
  const slotted = declared.map((cell, slot) => ({ ...cell, slot }))
  const serving = slotted.filter((cell) => cell.role === 'serving' && cell.weight > 0)
  const tenants = fleet.sizing?.tenants ?? new Set(sampleKeys).size
  const placed = placeWithin(fleet, serving, tenants)
  if (!placed.ok) return placed
  const { table, notes } = placed.value
  const measure = measurePlacement(table, serving, policy)
  const share = (count: number | undefined, of: number) => (count ?? 0) / of
  return {
    ok: true,
    value: {
      fleet: fleet.fleet,
      kind: fleet.kind,
      cells: serving.map(({ slot, id, zone, weight }) => ({
        ...{ id, zone, weight },
        places: share(measure.placesByCell.get(slot), table.length),
        homes: share(measure.homesByCell.get(slot), policy.buckets),
      })),
      quarantine: declared.find((cell) => cell.role === 'quarantine')?.id ?? null,
      placement: {
        buckets: policy.buckets,
        shard_size: policy.shardSize,
        distinct_shards: measure.distinctShards,
        full_overlap: measure.fullOverlap,
        notes,
      },
      blast_radius: blastRadius(
        { table, shardSize: policy.shardSize, cells: serving },
        tenantsOf(sampleKeys ?? []),
        policy,
        [],
      ),
      sizing: fleet.sizing
        ? sizeFleet(fleet.sizing, serving.length, fleet.cells.capacity, policy.shardSize)
        : null,
      lints: [...lintPartitionKey(fleet.partition_key, sampleKeys), ...lintBuckets(sampleKeys ?? [], policy)],
    },
  }
}

type SlottedCell = DeclaredCell & { slot: number }

/** The placement for this many tenants: stateless ones within the cells' bounds, stateful ones if there are homes for all. */
function placeWithin(fleet: FleetFile, serving: readonly SlottedCell[], tenants: number): Parsed<Placement> {
  const policy = placementPolicyOf(fleet)
  if (fleet.kind === 'stateless') {
    const bounded = serving.map(({ slot, weight, zone, capacity }) => ({
      ...{ slot, weight, zone },
      ...(capacity.tenants === undefined ? {} : { tenantsMax: capacity.tenants }),
    }))
    return place(null, bounded, policy, { byBucket: null, expected: tenants, excessAllowed: 0 })
  }
  const homes = serving.reduce((sum, { capacity }) => sum + (capacity.tenants ?? tenants), 0)
  if (homes >= tenants) return place(null, serving, policy)
  return refused(
    problem(
      TENANTS_BOUND_UNMET,
      'cells.capacity.tenants',
      `the cells may be the home of ${homes} tenants in all; expected are ${tenants}; raise capacity.tenants, or add cells`,
    ),
  )
}

/** Each key once, with how often it occurs; null for no sample. */
function tenantsOf(keys: readonly string[]): { tenant: string; requests: number }[] | null {
  if (keys.length === 0) return null
  const counts = new Map<string, number>()
  for (const key of keys) counts.set(key, (counts.get(key) ?? 0) + 1)
  return [...counts].map(([tenant, requests]) => ({ tenant, requests }))
}

/** Above this share of keys that are not alone in their bucket, tenants fail together more often than their shards say. */
const BUCKET_SHARED_MAX = 0.2
/** A smaller sample shares buckets by chance. */
const BUCKET_SAMPLE_MIN = 100

function lintBuckets(keys: readonly string[], { seed, buckets }: { seed: number; buckets: number }): Lint[] {
  const distinct = new Set(keys)
  if (distinct.size < BUCKET_SAMPLE_MIN) return []
  const used = new Set([...distinct].map((key) => bucketOf(key, seed, buckets))).size
  const shared = 1 - used / distinct.size
  if (shared <= BUCKET_SHARED_MAX) return []
  return [
    {
      code: 'FEW_BUCKETS',
      severity: 'warning',
      path: 'placement.buckets',
      message: `${distinct.size} keys fall into ${used} of ${buckets} buckets, and tenants of one bucket share all of their cells; raise it while the fleet is new`,
    },
  ]
}
