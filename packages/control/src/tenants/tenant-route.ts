/** Where a tenant's requests go, and why, in data and in words. Pure: what a router would decide, by the same functions. */
import type { TopologyOverlay } from '@cellplane/contract'
import type { TenantRoute } from '@cellplane/contract/api'
import {
  bucketOf,
  namedKey,
  quarantinedTenants,
  type RowSource,
  rowGeneration,
  rowOf,
  rowSource,
  shardOf,
  shardsOf,
} from '@cellplane/core'
import type { Observations } from '../health/observations.ts'
import { healthOf } from '../registry/cell-view.ts'
import type { HeldBase } from '../topology/published.ts'

/** As much of a published base as the explanation needs. */
type Based = Pick<HeldBase, 'snapshot' | 'epoch' | 'version'>

export function tenantRoute(
  named: string,
  base: Based,
  observations: Observations,
  overlay: TopologyOverlay | undefined,
): TenantRoute {
  const { snapshot } = base
  const tenant = namedKey(snapshot.base.partition_key, named)
  const bucket = bucketOf(tenant, snapshot.seed, snapshot.buckets)
  const row = rowOf({ snapshot, quarantined: quarantinedTenants(snapshot, overlay ?? null) }, tenant)
  const source = rowSource(snapshot, row)
  const shard = shardOf(snapshot, row)
  const cells = shard.map((index, place) => {
    const { id, slot, url } = snapshot.cells[index]!
    return {
      id,
      role: place === 0 ? ('home' as const) : ('alternate' as const),
      health: healthOf(slot, observations, overlay).health,
      endpoint: url,
    }
  })
  const formerCells = shardsOf(snapshot, row, tenant)
    .filter((index) => !shard.includes(index))
    .map((index) => snapshot.cells[index]!.id)
  return {
    tenant,
    bucket,
    source,
    generation: rowGeneration(snapshot, row),
    cells,
    former_cells: formerCells,
    explanation:
      explain(tenant, bucket, source, cells, formerCells, base) + throttledBecause(tenant, overlay),
  }
}

/** Of a tenant in quarantine at home. */
function throttledBecause(tenant: string, overlay: TopologyOverlay | undefined): string {
  const entry = overlay?.quarantined.find((one) => one.tenant === tenant)
  if (entry?.rate_share === undefined) return ''
  return ` It is in quarantine at home since ${entry.since}: ${entry.rate_share * 100} % of its cap is let through, as ${entry.reason}.`
}

function explain(
  tenant: string,
  bucket: number,
  source: RowSource,
  cells: TenantRoute['cells'],
  formerCells: readonly string[],
  { snapshot, epoch, version }: Based,
): string {
  const names = cells.map((cell) => `${cell.id} (${cell.role}, ${cell.health})`).join(', ')
  const why: Record<RowSource, string> = {
    table: `"${tenant}" hashes to bucket ${bucket} of ${snapshot.buckets}, and the table gives it`,
    pin: `"${tenant}" is pinned, whatever its bucket ${bucket} says, to`,
    assignment: `"${tenant}" is registered and assigned to`,
    quarantine: `"${tenant}" is in quarantine, in`,
    migration: `"${tenant}" is being migrated and belongs to`,
  }
  const how = {
    'home-first': 'Requests go to the first healthy one, home first.',
    'least-loaded': 'Requests go to the less loaded of two healthy ones.',
    weighted: 'Requests go to the healthy ones by weight.',
  }[snapshot.base.choice]
  const former =
    formerCells.length === 0
      ? ''
      : ` ${formerCells.join(', ')} held it before and still ${formerCells.length === 1 ? 'answers' : 'answer'} for ids given out there.`
  return `${why[source]} ${names} (epoch ${epoch}, version ${version}). ${how}${former}`
}
