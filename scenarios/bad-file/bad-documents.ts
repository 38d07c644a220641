/**
 * Documents that a control plane gone wrong might publish. Those that are signed are signed with the right key: it is the
 * control plane itself that is wrong, as it was on 18 November 2025 at a large network, and a signature does not help.
 */
import { randomBytes } from 'node:crypto'
import {
  encodeTable,
  TOPOLOGY_BYTES_MAX,
  type UnsignedTopologyBase,
  type UnsignedTopologyOverlay,
} from '@cellplane/contract'
import type { Kind } from './publisher.ts'

export type BadDocument = { name: string; kind: Kind; bytes: string | Uint8Array }

/** Beyond what a router reads of a document by default. */
const OVERSIZED_BYTES = TOPOLOGY_BYTES_MAX + 1_000_000

export type Good = {
  base: UnsignedTopologyBase
  overlay: UnsignedTopologyOverlay
  sign(document: UnsignedTopologyBase | UnsignedTopologyOverlay): string
}

/** Each of them would be the next version, were it good. */
export function badDocuments({ base, overlay, sign }: Good): BadDocument[] {
  const next = (more: Partial<UnsignedTopologyBase>) => sign({ ...base, version: base.version + 1, ...more })
  const nextOverlay = (more: Partial<UnsignedTopologyOverlay>) =>
    sign({ ...overlay, version: overlay.version + 1, ...more })
  const good = next({})
  const places = base.hash.buckets * base.shard_size
  const middle = good.length >> 1
  const flipped = Buffer.from(good)
  flipped[middle]! ^= 1
  const strangers = new Uint16Array(places).fill(base.cells.length + 7)
  const elsewhere = base.cells.map((cell) => ({ ...cell, endpoints: { http: 'http://127.0.0.1:9' } }))
  return [
    { name: 'no bytes at all', kind: 'base', bytes: '' },
    { name: 'an empty object', kind: 'base', bytes: '{}' },
    { name: 'no cells', kind: 'base', bytes: next({ cells: [] }) },
    { name: 'an empty table', kind: 'base', bytes: next({ table: '' }) },
    { name: 'half a table', kind: 'base', bytes: next({ table: encodeTable(new Uint16Array(places / 2)) }) },
    {
      name: 'places at cells that there are not',
      kind: 'base',
      bytes: next({ table: encodeTable(strangers) }),
    },
    { name: 'each cell twice', kind: 'base', bytes: next({ cells: [...base.cells, ...base.cells] }) },
    { name: 'cut off in the middle', kind: 'base', bytes: good.slice(0, middle) },
    { name: 'one bit turned', kind: 'base', bytes: flipped },
    {
      name: 'other endpoints under the old signature',
      kind: 'base',
      bytes: JSON.stringify({ ...JSON.parse(good), cells: elsewhere }),
    },
    { name: 'random bytes', kind: 'base', bytes: randomBytes(100_000) },
    { name: 'an unknown format', kind: 'base', bytes: next({ format: 99 as 1 }) },
    { name: 'of another fleet', kind: 'base', bytes: next({ fleet: 'another', cells: elsewhere }) },
    { name: 'older than what is held', kind: 'base', bytes: next({ version: 0, cells: elsewhere }) },
    { name: 'oversized', kind: 'base', bytes: Buffer.alloc(OVERSIZED_BYTES, ' ') },
    { name: 'no bytes at all', kind: 'overlay', bytes: '' },
    { name: 'cut off in the middle', kind: 'overlay', bytes: nextOverlay({}).slice(0, 80) },
    { name: 'oversized', kind: 'overlay', bytes: Buffer.alloc(OVERSIZED_BYTES, ' ') },
  ]
}
