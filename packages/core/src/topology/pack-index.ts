/**
 * Packs a base into the numbers and typed arrays that a routing index is opened from, and finds what does not fit: all that
 * grows with buckets and overrides happens here, once for a document, and may happen aside.
 *
 * All misfits are told, up to a number: who publishes mends them in one go.
 */
import {
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
import { packFormerOverrides } from './former-overrides.ts'
import { buildOverrideIndex } from './override-index.ts'
import { INDEX_NONE, openIndex, type PackedIndex, REASON_CODES, type RoutingIndex } from './routing-index.ts'

/** Weights are 0–100 and may be fractions; a tenth is as fine as they matter. */
const WEIGHT_STEPS = 10

/** Refuses what `packIndex` refuses. */
export function buildRoutingIndex(base: UnsignedTopologyBase): Parsed<RoutingIndex> {
  const packed = packIndex(base)
  return packed.ok ? parsed(openIndex(packed.value, base.cells)) : packed
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
