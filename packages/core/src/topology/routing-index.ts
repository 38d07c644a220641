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
 * It is made in two steps. `packIndex` checks the base and does all that grows with buckets and overrides; what it gives
 * is numbers and typed arrays, so that whoever read the base aside can hand it over in no time. `openIndex` adds the cells as
 * objects, which are few. An index never changes; a newer document gets a newer index.
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
import { type FormerOverrideIndex, packFormerOverrides } from './former-overrides.ts'
import { buildOverrideIndex, type OverrideIndex } from './override-index.ts'

/** Weights are 0–100 and may be fractions; a tenth is as fine as they matter. */
const WEIGHT_STEPS = 10

/** Stands in a former table, or for a former override, for a cell that is gone. */
export const INDEX_NONE = 0xffff

const REASON_CODES: Record<Override['reason'], number> = {
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

/** Refuses what `packIndex` refuses. */
export function buildRoutingIndex(base: UnsignedTopologyBase): Parsed<RoutingIndex> {
  const packed = packIndex(base)
  return packed.ok ? parsed(openIndex(packed.value, base.cells)) : packed
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

/** Refuses a base whose table, former tables, overrides, former ones and quarantine do not fit its cells. */
export function packIndex(base: UnsignedTopologyBase): Parsed<PackedIndex> {
  const { buckets, seed } = base.hash
  const problems: Problem[] = []
  const indexBySlot = indexSlots(base.cells, problems)
  const table = packTable(base, indexBySlot, problems)
  const formerTables = packFormerTables(base, indexBySlot, problems)
  const formerOverrides = packFormerOverrides(base, indexBySlot, problems)
  const quarantine = indexOfQuarantineCell(base, indexBySlot, problems)
  const { overrides } = base
  const repeated: number[] = []
  const overrideIndex = buildOverrideIndex(
    overrides.map(({ tenant }) => tenant),
    (tenant) => hashKeySigned(tenant, seed),
    repeated,
  )
  checkOverrides(overrides, repeated, indexBySlot, problems)
  if (problems.length > 0) return { ok: false, problems: problems.slice(0, PROBLEMS_MAX) }

  const { members, laterStarts } = packRows(table, overrides, quarantine, indexBySlot)
  // Filled in a loop: what `from` makes of a list takes ten times as long.
  const overrideReasons = new Uint8Array(overrides.length)
  const overrideGenerations = new Float64Array(overrides.length)
  for (const [i, { reason, generation }] of overrides.entries()) {
    overrideReasons[i] = REASON_CODES[reason]
    overrideGenerations[i] = generation
  }
  return parsed({
    seed,
    buckets,
    shardSize: base.shard_size,
    isHomeFirst: base.choice === 'home-first',
    isWeighted: base.choice === 'weighted',
    // A row's cell of weight 0 is there because somebody pinned it: it takes little, but it is chosen.
    weights: Uint16Array.from(base.cells, ({ weight }) => Math.max(1, Math.round(weight * WEIGHT_STEPS))),
    members,
    overrideIndex,
    overrideReasons,
    overrideGenerations,
    laterStarts,
    formerTables,
    formerOverrides,
    quarantineRow: quarantine < 0 ? -1 : buckets + overrides.length,
    indexBySlot,
  })
}

function indexSlots(cells: readonly TopologyCell[], problems: Problem[]): Uint16Array {
  const indexBySlot = new Uint16Array(SLOT_NONE + 1).fill(INDEX_NONE)
  const ids = new Set<string>()
  for (const [index, { slot, id }] of cells.entries()) {
    if (indexBySlot[slot] !== INDEX_NONE || ids.has(id)) {
      problems.push(
        problem(
          'TOPOLOGY_CELL_DUPLICATE',
          `cells[${index}]`,
          `slot ${slot} or id "${id}" is also another cell's; each is given once`,
        ),
      )
    }
    indexBySlot[slot] = index
    ids.add(id)
  }
  return indexBySlot
}

function packTable(base: UnsignedTopologyBase, indexBySlot: Uint16Array, problems: Problem[]): Uint16Array {
  const shardSize = base.shard_size
  const slots = decodeTable(base.table, base.hash.buckets, shardSize)
  if (!slots.ok) {
    problems.push(...slots.problems)
    return new Uint16Array()
  }
  const table = slots.value.map((slot) => indexBySlot[slot]!)
  const misfit = table.findIndex(
    (index, place) => index === INDEX_NONE || isRepeated(table, place - (place % shardSize), place),
  )
  if (misfit >= 0) {
    problems.push(
      problem(
        'TOPOLOGY_TABLE_MISFIT',
        'table',
        `bucket ${Math.floor(misfit / shardSize)} names an unknown cell, or one cell twice; expected ${shardSize} different cells of this document`,
      ),
    )
  }
  return table
}

/** Whether what stands at `place` stands before it too, from `home` on. Without a view of the row: a table has 65,536. */
function isRepeated(table: Uint16Array, home: number, place: number): boolean {
  for (let before = home; before < place; before++) {
    if (table[before] === table[place]) return true
  }
  return false
}

/** `quarantine`: the last row's cell, or -1 when there is no such row. */
function packRows(
  table: Uint16Array,
  overrides: readonly Override[],
  quarantine: number,
  indexBySlot: Uint16Array,
): Pick<PackedIndex, 'members' | 'laterStarts'> {
  const laterStarts = new Uint32Array(overrides.length + (quarantine < 0 ? 1 : 2))
  let end = table.length
  laterStarts[0] = end
  for (const [i, { cells }] of overrides.entries()) {
    end += cells.length
    laterStarts[i + 1] = end
  }
  if (quarantine >= 0) laterStarts[overrides.length + 1] = ++end
  const members = new Uint16Array(end)
  members.set(table)
  let place = table.length
  for (const { cells } of overrides) for (const slot of cells) members[place++] = indexBySlot[slot]!
  if (quarantine >= 0) members[place] = quarantine
  return { members, laterStarts }
}

function packFormerTables(
  base: UnsignedTopologyBase,
  indexBySlot: Uint16Array,
  problems: Problem[],
): Uint16Array[] {
  return base.former_tables.flatMap(({ table }, i) => {
    const slots = decodeTable(table, base.hash.buckets, base.shard_size, `former_tables[${i}].table`)
    if (slots.ok) return [slots.value.map((slot) => indexBySlot[slot]!)]
    problems.push(...slots.problems)
    return []
  })
}

/** `repeated`: the positions of those whose tenant has one before, in order. */
function checkOverrides(
  overrides: readonly Override[],
  repeated: readonly number[],
  indexBySlot: Uint16Array,
  problems: Problem[],
): void {
  let next = 0
  for (const [i, { cells }] of overrides.entries()) {
    const isRepeated = repeated[next] === i
    if (isRepeated) next++
    const why = isRepeated ? 'its tenant has another override as well' : whyNot(cells, indexBySlot)
    if (why) problems.push(problem('TOPOLOGY_OVERRIDE_MISFIT', `overrides[${i}]`, `cannot be used: ${why}`))
  }
}

function whyNot(slots: readonly number[], indexBySlot: Uint16Array): string | undefined {
  for (const slot of slots) {
    if (indexBySlot[slot] === INDEX_NONE) return 'it names a slot that no cell of this document has'
  }
  for (let place = 1; place < slots.length; place++) {
    if (slots.indexOf(slots[place]!) < place) return 'it names one cell twice'
  }
  return undefined
}

/** -1 when the fleet has none. */
function indexOfQuarantineCell(
  base: UnsignedTopologyBase,
  indexBySlot: Uint16Array,
  problems: Problem[],
): number {
  const slot = base.quarantine.cell
  if (slot === null) return -1
  const index = indexBySlot[slot]!
  if (index !== INDEX_NONE) return index
  problems.push(
    problem(
      'TOPOLOGY_CELL_UNKNOWN',
      'quarantine.cell',
      `found slot ${slot}; expected the slot of a cell of this document, or null`,
    ),
  )
  return -1
}
