/**
 * What a fleet file comes to, before anything runs: sizing, placement, blast radius, and lints on the partition key.
 * Pure: the same file and the same sample give the same plan everywhere.
 */
import type { Parsed } from '@cellplane/contract'
import type { BlastRadius } from '@cellplane/contract/api'
import { cellsOf, type FleetFile } from '@cellplane/contract/fleet-file'
import {
  blastRadius,
  bucketOf,
  type Lint,
  lintPartitionKey,
  measurePlacement,
  place,
  placementPolicyOf,
  type SizingReport,
  sizeFleet,
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

/** `sampleKeys` are partition keys of real requests, each as often as it occurs. Problems are those of the placement. */
export function planFleet(fleet: FleetFile, sampleKeys: readonly string[] | undefined): Parsed<FleetPlan> {
  const declared = cellsOf(fleet)
  const policy = placementPolicyOf(fleet)
  const slotted = declared.map((cell, slot) => ({ ...cell, slot }))
  const serving = slotted.filter((cell) => cell.role === 'serving' && cell.weight > 0)
  const placed = place(null, serving, policy)
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
