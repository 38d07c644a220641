/**
 * What one base moved against the one before it, counted from the two documents alone: to be held against what the plan, or
 * the history, says about the same change. Pure.
 */
import { decodeTable, type TopologyBase } from '@cellplane/contract'
import { bucketOf } from '@cellplane/core'

export type Moves = { places: number; homes: number }

/** Cells of a bucket, home first. */
export type Shard = readonly string[]

/** A part of so many requests. */
export type Share = { share: number; of: number }

/** Shards of all buckets, in the buckets' order. */
export function shardsOf({ table, hash, shard_size: size, cells }: TopologyBase): Shard[] {
  const decoded = decodeTable(table, hash.buckets, size)
  if (!decoded.ok) throw new Error(`a published base has no table: ${decoded.problems[0]?.message}`)
  const ids = new Map(cells.map(({ slot, id }) => [slot, id]))
  return Array.from({ length: hash.buckets }, (_, bucket) =>
    Array.from(decoded.value.subarray(bucket * size, (bucket + 1) * size), (slot) => ids.get(slot) ?? ''),
  )
}

/** A place moves when a bucket gets a cell that it did not have; a home, when its first cell is another one. */
export function movesBetween(before: readonly Shard[], after: readonly Shard[]): Moves {
  const gains = (shard: Shard, bucket: number) => shard.filter((cell) => !before[bucket]!.includes(cell))
  return {
    places: after.reduce((sum, shard, bucket) => sum + gains(shard, bucket).length, 0),
    homes: after.filter((shard, bucket) => shard[0] !== before[bucket]![0]).length,
  }
}

/** Of all these requests, those whose tenant has a cell in the newer base that it had not in the older one. */
export function shareMoved(
  requestsOf: ReadonlyMap<string, number>,
  { hash }: TopologyBase,
  before: readonly Shard[],
  after: readonly Shard[],
): Share {
  const hasMoved = (tenant: string) => {
    const bucket = bucketOf(tenant, hash.seed, hash.buckets)
    return after[bucket]!.some((cell) => !before[bucket]!.includes(cell))
  }
  const total = [...requestsOf.values()].reduce((sum, n) => sum + n, 0)
  const moved = [...requestsOf].reduce((sum, [tenant, n]) => sum + (hasMoved(tenant) ? n : 0), 0)
  return { share: total === 0 ? 0 : moved / total, of: total }
}

/** `10923 of 131072 places move (8.3 %), 5403 of 65536 homes`, as the history words a base. */
export function movesInWords(what: string): Moves {
  const [, places = '0', homes = '0'] = /(\d+) of \d+ places\D.*?(\d+) of \d+ homes/.exec(what) ?? []
  return { places: Number(places), homes: Number(homes) }
}
