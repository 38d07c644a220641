/**
 * The routing index: a base turned into parallel arrays that a request is routed with.
 *
 * Cells get dense indexes 0…n−1 (slots have holes), so that what changes by the second, such as health and load, can
 * live in typed arrays beside it. A **row** is a list of cell indexes, home first: one for each bucket of the table,
 * one for each override, and one for the quarantine cell. All rows lie in `members`; a row's number is all that a
 * request carries around.
 *
 *     row:      0 … buckets − 1 | buckets … + overrides | the last one
 *     what:     the table       | overrides, in order   | the quarantine cell, where there is one
 *
 * It is made in two steps. `packIndex` (`pack-index.ts`) checks the base and does all that grows with buckets and overrides; what
 * it gives is numbers and typed arrays, so that whoever read the base aside can hand it over in no time. `openIndex` adds the cells
 * as objects, which are few. An index never changes; a newer document gets a newer index.
 */
import type { CellRole, Override, TopologyCell } from '@cellplane/contract'
import type { FormerOverrideIndex } from './former-overrides.ts'
import type { OverrideIndex } from './override-index.ts'

/** Stands in a former table, or for a former override, for a cell that is gone. */
export const INDEX_NONE = 0xffff

export const REASON_CODES: Record<Override['reason'], number> = {
  pin: 0,
  assignment: 1,
  quarantine: 2,
  migration: 3,
}

/** An override's reason, by its code in `overrideReasons`. */
export const OVERRIDE_REASONS = Object.keys(REASON_CODES) as readonly Override['reason'][]

export type SnapshotCell = {
  readonly index: number
  readonly slot: number
  readonly id: string
  /** Where routers and back ends reach it. */
  readonly url: string
  /** Where the tenants' own clients reach it, without a final slash. */
  readonly publicUrl: string
  readonly role: CellRole
  readonly state: TopologyCell['state']
  readonly zone: string
}

/** Numbers and typed arrays only. */
export type PackedIndex = {
  readonly seed: number
  readonly buckets: number
  readonly shardSize: number
  /** The fleet's `choice`, as what is cheap to ask: neither means `least-loaded`. */
  readonly isHomeFirst: boolean
  readonly isWeighted: boolean
  /** By cell index: whole numbers, above 0, in proportion to the cells' weights. */
  readonly weights: Uint16Array
  /** Cell indexes of all rows, one row after the other. */
  readonly members: Uint16Array
  /** Tenant → its override's position; the row is `buckets` further. */
  readonly overrideIndex: OverrideIndex
  /** By the override's position: see OVERRIDE_REASONS. */
  readonly overrideReasons: Uint8Array
  readonly overrideGenerations: Float64Array
  /** Where in `members` the rows after the table start; one more entry closes the last. */
  readonly laterStarts: Uint32Array
  /** Cell indexes of the former tables, newest first; INDEX_NONE for a cell that is gone. */
  readonly formerTables: readonly Uint16Array[]
  readonly formerOverrides: FormerOverrideIndex
  /** The row that sends to the quarantine cell; -1 without one. */
  readonly quarantineRow: number
  /** Slot → cell index, or INDEX_NONE. */
  readonly indexBySlot: Uint16Array
}

export type RoutingIndex = PackedIndex & {
  readonly cells: readonly SnapshotCell[]
  /** -1 for a slot or id that no cell has. */
  indexOfSlot(slot: number): number
  indexOfCell(id: string): number
}

/** `cells` are those of the base that was packed. */
export function openIndex(packed: PackedIndex, cells: readonly TopologyCell[]): RoutingIndex {
  const { indexBySlot } = packed
  const indexById = new Map(cells.map(({ id }, index) => [id, index]))
  return {
    ...packed,
    cells: cells.map(snapshotCell),
    indexOfSlot: (slot) => {
      const index = indexBySlot[slot] ?? INDEX_NONE
      return index === INDEX_NONE ? -1 : index
    },
    indexOfCell: (id) => indexById.get(id) ?? -1,
  }
}

function snapshotCell(cell: TopologyCell, index: number): SnapshotCell {
  return {
    index,
    slot: cell.slot,
    id: cell.id,
    url: cell.endpoints.http,
    publicUrl: (cell.endpoints.public_http ?? cell.endpoints.http).replace(/\/+$/, ''),
    role: cell.role,
    state: cell.state,
    zone: cell.zone,
  }
}
