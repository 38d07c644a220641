/** Blast-radius figures of the published base, measured over the tenants that are known; kept for a while, for they cost a look at every tenant. */
import { decodeTable, formatProblems, type TopologyBase } from '@cellplane/contract'
import type { BlastRadius } from '@cellplane/contract/api'
import { blastRadius } from '@cellplane/core'
import { monotonicNow } from '../clock.ts'
import type { StoreReader } from '../store/store.ts'
import { type KnownTenant, readTenantRequests } from '../tenants/recent-requests.ts'
import type { Published } from './published.ts'

/** A measurement of the same base is good for this long; tenants come and go slowly. */
const KEPT_MS = 10_000

export type BlastRadiusMeter = ReturnType<typeof createBlastRadiusMeter>

/** `now` in ms since the epoch. */
export function createBlastRadiusMeter(store: StoreReader, published: Published, now: () => number) {
  let last: { etag: string; at: number; figures: BlastRadius } | undefined
  return {
    /** Null before anything was published. */
    async measure(): Promise<BlastRadius | null> {
      const base = published.base()
      if (!base) return null
      if (last?.etag === base.etag && monotonicNow() - last.at < KEPT_MS) return last.figures
      const figures = radiusOf(base.document, await readTenantRequests(store, now()))
      last = { etag: base.etag, at: monotonicNow(), figures }
      return figures
    },
  }
}

function radiusOf(base: TopologyBase, tenants: readonly KnownTenant[]): BlastRadius {
  const table = decodeTable(base.table, base.hash.buckets, base.shard_size)
  if (!table.ok) throw new Error(`a published table cannot be read: ${formatProblems(table.problems)}`)
  const placed = new Set([...table.value, ...base.overrides.flatMap((override) => override.cells)])
  return blastRadius(
    {
      table: table.value,
      shardSize: base.shard_size,
      cells: base.cells.filter((cell) => placed.has(cell.slot)),
    },
    tenants.length > 0 ? [...tenants] : null,
    base.hash,
    base.overrides,
  )
}
