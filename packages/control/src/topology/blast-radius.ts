/** Blast-radius figures of the published base, measured over the tenants that are known; kept for a while, for they cost a look at every tenant. */
import { decodeTable, formatProblems, type TopologyBase } from '@cellplane/contract'
import type { BlastRadius } from '@cellplane/contract/api'
import { blastRadius } from '@cellplane/core'
import { TENANTS } from '../store/collections.ts'
import type { Store } from '../store/store.ts'
import type { Published } from './published.ts'

/** A measurement of the same base is good for this long; tenants come and go slowly. */
const KEPT_MS = 10_000

export type BlastRadiusMeter = ReturnType<typeof createBlastRadiusMeter>

export function createBlastRadiusMeter(store: Store, published: Published, now: () => number) {
  let last: { etag: string; at: number; figures: BlastRadius } | undefined
  return {
    /** Null before anything was published. */
    async measure(): Promise<BlastRadius | null> {
      const base = published.base()
      if (!base) return null
      if (last?.etag === base.etag && now() - last.at < KEPT_MS) return last.figures
      const rows = await store.list(TENANTS)
      const tenants = rows.rows.map(({ key, value }) => ({ tenant: key, requests: value.requests }))
      const figures = radiusOf(base.document, tenants)
      last = { etag: base.etag, at: now(), figures }
      return figures
    },
  }
}

function radiusOf(base: TopologyBase, tenants: { tenant: string; requests: number }[]): BlastRadius {
  const table = decodeTable(base.table, base.hash.buckets, base.shard_size)
  if (!table.ok) throw new Error(`a published table cannot be read: ${formatProblems(table.problems)}`)
  const placed = new Set([...table.value, ...base.overrides.flatMap((override) => override.cells)])
  return blastRadius(
    {
      table: table.value,
      shardSize: base.shard_size,
      cells: base.cells.filter((cell) => placed.has(cell.slot)),
    },
    tenants.length > 0 ? tenants : null,
    base.hash,
    base.overrides,
  )
}
