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
 * An index is built once for a document and never changes; a newer document gets a newer index.
 */
import {
  type CellRole,
  decodeTable,
  type Override,
  type Parsed,
  PROBLEMS_MAX,
  type Problem,
  parsed,
  problem,
  SLOT_NONE,
  type TopologyCell,
  type UnsignedTopologyBase,
} from '@cellplane/contract'
import { hashKeySigned } from '../hash/bucket.ts'
import { buildOverrideIndex, type OverrideIndex } from './override-index.ts'

/** Weights are 0–100 and may be fractions; a tenth is as fine as they matter. */
const WEIGHT_STEPS = 10

/** Stands in a former table for a cell that is gone. */
export const INDEX_NONE = 0xffff

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

export type RoutingIndex = {
  readonly cells: readonly SnapshotCell[]
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
  readonly overrides: readonly Override[]
  /** Tenant → its override's position in `overrides`; the row is `buckets` further. */
  readonly overrideIndex: OverrideIndex
  /** Where in `members` the rows after the table start; one more entry closes the last. */
  readonly laterStarts: Uint32Array
  /** Cell indexes of the former tables, newest first; INDEX_NONE for a cell that is gone. */
  readonly formerTables: readonly Uint16Array[]
  /** The row that sends to the quarantine cell; -1 without one. */
  readonly quarantineRow: number
  /** -1 for a slot or id that no cell has. */
  indexOfSlot(slot: number): number
  indexOfCell(id: string): number
}

/** Refuses a base whose table, former tables, overrides and quarantine do not fit its cells. */
export function buildRoutingIndex(base: UnsignedTopologyBase): Parsed<RoutingIndex> {
  const { buckets, seed } = base.hash
  const shardSize = base.shard_size
  const problems: Problem[] = []
  const cells = base.cells.map(
    (cell, index): SnapshotCell => ({
      index,
      slot: cell.slot,
      id: cell.id,
      url: cell.endpoints.http,
      publicUrl: (cell.endpoints.public_http ?? cell.endpoints.http).replace(/\/+$/, ''),
      role: cell.role,
      state: cell.state,
      zone: cell.zone,
    }),
  )
  const indexBySlot = new Uint16Array(SLOT_NONE + 1).fill(INDEX_NONE)
  const indexById = new Map<string, number>()
  for (const { index, slot, id } of cells) {
    if (indexBySlot[slot] !== INDEX_NONE || indexById.has(id)) {
      problems.push(
        problem(
          'TOPOLOGY_CELL_DUPLICATE',
          `cells[${index}]`,
          `slot ${slot} or id "${id}" is also another cell's; each is given once`,
        ),
      )
    }
    indexBySlot[slot] = index
    indexById.set(id, index)
  }

  const table = decodeTable(base.table, buckets, shardSize)
  if (!table.ok) problems.push(...table.problems)
  const current = table.ok ? table.value.map((slot) => indexBySlot[slot]!) : new Uint16Array()
  const formerTables: Uint16Array[] = []
  for (const [i, former] of base.former_tables.entries()) {
    const slots = decodeTable(former.table, buckets, shardSize, `former_tables[${i}].table`)
    if (slots.ok) formerTables.push(slots.value.map((slot) => indexBySlot[slot]!))
    else problems.push(...slots.problems)
  }
  const misfit = current.findIndex((index, place) => {
    const home = place - (place % shardSize)
    return index === INDEX_NONE || current.subarray(home, place).includes(index)
  })
  if (misfit >= 0) {
    problems.push(
      problem(
        'TOPOLOGY_TABLE_MISFIT',
        'table',
        `bucket ${Math.floor(misfit / shardSize)} names an unknown cell, or one cell twice; expected ${shardSize} different cells of this document`,
      ),
    )
  }

  const tenants = new Set<string>()
  const later: number[][] = []
  for (const [i, override] of base.overrides.entries()) {
    const indexes = override.cells.map((slot) => indexBySlot[slot]!)
    const why = tenants.has(override.tenant)
      ? 'its tenant has another override as well'
      : indexes.includes(INDEX_NONE)
        ? 'it names a slot that no cell of this document has'
        : new Set(indexes).size < indexes.length
          ? 'it names one cell twice'
          : undefined
    if (why) problems.push(problem('TOPOLOGY_OVERRIDE_MISFIT', `overrides[${i}]`, `cannot be used: ${why}`))
    tenants.add(override.tenant)
    later.push(indexes)
  }
  let quarantineRow = -1
  if (base.quarantine.cell !== null) {
    const index = indexBySlot[base.quarantine.cell]!
    if (index === INDEX_NONE) {
      problems.push(
        problem(
          'TOPOLOGY_CELL_UNKNOWN',
          'quarantine.cell',
          `found slot ${base.quarantine.cell}; expected the slot of a cell of this document, or null`,
        ),
      )
    }
    quarantineRow = buckets + later.length
    later.push([index])
  }
  if (problems.length > 0) return { ok: false, problems: problems.slice(0, PROBLEMS_MAX) }

  const laterStarts = new Uint32Array(later.length + 1)
  laterStarts[0] = current.length
  for (const [i, row] of later.entries()) laterStarts[i + 1] = laterStarts[i]! + row.length
  const members = new Uint16Array(laterStarts[later.length]!)
  members.set(current)
  for (const [i, row] of later.entries()) members.set(row, laterStarts[i]!)

  const orMinusOne = (index: number | undefined) => (index === undefined || index === INDEX_NONE ? -1 : index)
  return parsed({
    cells,
    seed,
    buckets,
    shardSize,
    isHomeFirst: base.choice === 'home-first',
    isWeighted: base.choice === 'weighted',
    // A row's cell of weight 0 is there because somebody pinned it: it takes little, but it is chosen.
    weights: Uint16Array.from(base.cells, ({ weight }) => Math.max(1, Math.round(weight * WEIGHT_STEPS))),
    members,
    overrides: base.overrides,
    overrideIndex: buildOverrideIndex([...tenants], (tenant) => hashKeySigned(tenant, seed)),
    laterStarts,
    formerTables,
    quarantineRow,
    indexOfSlot: (slot) => orMinusOne(indexBySlot[slot]),
    indexOfCell: (id) => orMinusOne(indexById.get(id)),
  })
}
