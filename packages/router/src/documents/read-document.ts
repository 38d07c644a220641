/**
 * Text of a document → what a router holds of it, or why it is refused. What a process of its own runs for a large
 * document, and the router for a small one: the same function, so both decide alike.
 */
import { type Parsed, parsed, type TopologyOverlay, type TrustedKeys } from '@cellplane/contract'
import { acceptOverlay, type HeldBase, type PackedSnapshot, readBase } from '@cellplane/core/data-plane'

export type DocumentKind = 'base' | 'overlay'

/** The problem code of a document that could not be read: of what it says nothing is known. */
export const TOPOLOGY_UNREADABLE = 'TOPOLOGY_UNREADABLE'

/** A document as it came: in parts, which are never joined on the serving thread. */
export type Chunks = readonly Uint8Array[]

export type DocumentOrder<K extends DocumentKind> = {
  kind: K
  text: string
  /** The document of this kind that is current: an older one is refused, and a base that changes too much of it. */
  held: HeldBase | null
  keys: TrustedKeys
  fleet: string
}

/** What becomes of a document; a base is packed, so that it can change processes. */
export type ReadDocument = { base: PackedSnapshot; overlay: TopologyOverlay }

const READERS: {
  [K in DocumentKind]: (order: DocumentOrder<K>) => Parsed<ReadDocument[K]>
} = {
  base({ held, text, keys, fleet }) {
    const base = readBase(held, text, keys, fleet)
    return base.ok ? parsed(base.value.packed) : base
  },
  // Whether its marks fit is for whoever takes it: by then another base may be current.
  overlay: ({ held, text, keys, fleet }) => acceptOverlay(held, text, keys, fleet, null),
}

export function readDocument<K extends DocumentKind>(order: DocumentOrder<K>): Parsed<ReadDocument[K]> {
  return READERS[order.kind](order)
}

export function textOf(chunks: Chunks): string {
  return Buffer.concat(chunks).toString('utf8')
}

export function bytesOf(chunks: Chunks): number {
  return chunks.reduce((sum, chunk) => sum + chunk.length, 0)
}
