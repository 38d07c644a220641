/**
 * A snapshot: what a base comes to at one consumer, immutable. A consumer holds one reference to the current snapshot and
 * swaps it when a newer base was accepted; a request that is under way goes on with the one that it began with.
 *
 * It is the routing index and the document's head. The bulk of the document (its tables, its overrides) is in the index,
 * packed, and nowhere else: as objects and strings it would take ten times the memory, and whoever read it aside could
 * only hand it over one by one. Who needs the whole document, as the control plane does, keeps it beside.
 */
import type { Parsed, TopologyBase } from '@cellplane/contract'
import { parsed } from '@cellplane/contract'
import { packIndex } from './pack-index.ts'
import { openIndex, type PackedIndex, type RoutingIndex } from './routing-index.ts'

/** All of a base but what grows with its buckets and overrides. */
export type BaseHead = Omit<TopologyBase, 'table' | 'former_tables' | 'overrides' | 'former_overrides'>

export type Snapshot = RoutingIndex & { readonly base: BaseHead }

/** A snapshot that can be handed to another thread or process: values, and its bulk in typed arrays. */
export type PackedSnapshot = { readonly base: BaseHead; readonly index: PackedIndex }

/** For a base that is trusted already (one's own); what comes from outside goes through `acceptBase`. */
export function buildSnapshot(base: TopologyBase): Parsed<Snapshot> {
  const packed = packSnapshot(base)
  return packed.ok ? parsed(openSnapshot(packed.value)) : packed
}

/** Refuses what `packIndex` refuses. */
export function packSnapshot(document: TopologyBase): Parsed<PackedSnapshot> {
  const index = packIndex(document)
  if (!index.ok) return index
  const {
    table: _table,
    former_tables: _formerTables,
    overrides: _overrides,
    former_overrides: _formerOverrides,
    ...base
  } = document
  return parsed({ base, index: index.value })
}

/** Takes as long as the base has cells, however many buckets and overrides it has. */
export function openSnapshot({ base, index }: PackedSnapshot): Snapshot {
  return { ...openIndex(index, base.cells), base }
}
