/**
 * Key → row → cells: the lookup. A request does it once, with no I/O and nothing allocated.
 *
 * An override decides before the table does. The row that comes out is a number; `chooseCell` picks from it, and the
 * other functions here explain it.
 */
import type { Override } from '@cellplane/contract'
import { bucketOf, hashKeySigned } from '../hash/bucket.ts'
import { formerOverrideOf } from '../topology/former-overrides.ts'
import { findOverride } from '../topology/override-index.ts'
import { INDEX_NONE, OVERRIDE_REASONS, type RoutingIndex } from '../topology/routing-index.ts'

export type RowSource = 'table' | Override['reason']

/** The row of a key: its override's, or its bucket's. */
export function shardRow(index: RoutingIndex, key: string): number {
  const hash = hashKeySigned(key, index.seed)
  const override = findOverride(index.overrideIndex, key, hash)
  return override >= 0 ? index.buckets + override : hash & (index.buckets - 1)
}

/** Where a row starts in `index.members`; it ends before `rowEnd`. */
export function rowStart(index: RoutingIndex, row: number): number {
  return row < index.buckets ? row * index.shardSize : index.laterStarts[row - index.buckets]!
}

export function rowEnd(index: RoutingIndex, row: number): number {
  return row < index.buckets ? (row + 1) * index.shardSize : index.laterStarts[row - index.buckets + 1]!
}

/** Cell indexes of a row, home first. Allocates: for headers, explanations and clients. */
export function shardOf(index: RoutingIndex, row: number): readonly number[] {
  return [...index.members.subarray(rowStart(index, row), rowEnd(index, row))]
}

/**
 * Cells that are not in the key's shard, but were by a former override, the table or a former table, so that they may hold
 * something of it: what it had by name first, then what its bucket has and had, each newest first.
 */
export function formerShardOf(index: RoutingIndex, key: string): number[] {
  const { seed, buckets, shardSize } = index
  const bucket = bucketOf(key, seed, buckets)
  const current = shardOf(index, shardRow(index, key))
  const former = new Set<number>(formerOverrideOf(index.formerOverrides, key, hashKeySigned(key, seed)))
  for (const table of [index.members, ...index.formerTables]) {
    for (const cell of table.subarray(bucket * shardSize, (bucket + 1) * shardSize)) former.add(cell)
  }
  return [...former].filter((cell) => cell !== INDEX_NONE && !current.includes(cell))
}

/**
 * Every cell that may hold something of the key, home first: the row's, then those of the row that it would have if it
 * were not in quarantine, then its former ones.
 */
export function shardsOf(index: RoutingIndex, row: number, key: string): readonly number[] {
  const usual = shardOf(index, shardRow(index, key))
  return [...new Set([...shardOf(index, row), ...usual, ...formerShardOf(index, key)])]
}

export function rowSource(index: RoutingIndex, row: number): RowSource {
  if (row < index.buckets) return 'table'
  return row === index.quarantineRow
    ? 'quarantine'
    : OVERRIDE_REASONS[index.overrideReasons[row - index.buckets]!]!
}

/** The generation that the row's home has for the tenant; 0 where nothing was assigned. */
export function rowGeneration(index: RoutingIndex, row: number): number {
  return row < index.buckets ? 0 : (index.overrideGenerations[row - index.buckets] ?? 0)
}
