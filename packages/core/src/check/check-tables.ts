/**
 * The check of a change, as far as tables and cells tell: the part that the control plane and every router make alike.
 *
 * It reads two tables as typed arrays and the list of cells, so a router can afford it: a few milliseconds for 65,536
 * buckets. What stood above a factor before the change and did not get worse by it is no excess: a guard that refused it
 * would refuse the remedy as well.
 */
import type { Budget, TopologyCell } from '@cellplane/contract'
import type { PackedIndex } from '../topology/routing-index.ts'
import { type Excess, isOver, percent } from './budget.ts'
import { type Draw, equalParts, limitWithChance } from './chance.ts'
import { type Ideal, idealOf } from './ideal.ts'
import { measureMovement, type PlacedTable } from './movement.ts'

/** Quotas are whole numbers; in a small table one bucket is much. */
const BUCKETS_SLACK = 2

/** 4 MB: a fleet of 1,000 cells. */
const PAIRS_IN_ARRAY_MAX = 1_048_576

/** What the check reads of a base. */
export type CheckedBase = Omit<PlacedTable, 'cells'> & {
  cells: readonly Pick<TopologyCell, 'slot' | 'id' | 'zone' | 'role' | 'state' | 'weight'>[]
  seed: number
  buckets: number
}

export function checkedBase(
  index: Pick<PackedIndex, 'members' | 'buckets' | 'shardSize' | 'seed'>,
  cells: CheckedBase['cells'],
): CheckedBase {
  const { buckets, shardSize, seed, members } = index
  return { cells, rows: members.subarray(0, buckets * shardSize), shardSize, seed, buckets }
}

export function checkTables(before: CheckedBase, after: CheckedBase, budget: Budget): Excess[] {
  const excesses = [...checkCells(before, after, budget)]
  if (
    before.seed !== after.seed ||
    before.buckets !== after.buckets ||
    before.shardSize !== after.shardSize
  ) {
    const message = `hash or shard size change (${shape(before)} → ${shape(after)}): every tenant is placed anew, and the budget allows ${percent(budget.moved_share)} of places beyond need`
    return [...excesses, { budget: 'moved_share', value: 1, limit: budget.moved_share, cells: [], message }]
  }
  return [...excesses, ...checkMovement(before, after, budget), ...checkStanding(before, after, budget)]
}

function checkCells(before: CheckedBase, after: CheckedBase, budget: Budget): Excess[] {
  const excesses: Excess[] = []
  const active = activeCells(after).length
  const least = Math.min(budget.active_cells_min, activeCells(before).length)
  if (active < least) {
    const message = `${active} cells are active afterwards; the budget asks for ${budget.active_cells_min}`
    excesses.push({ budget: 'active_cells_min', value: active, limit: least, cells: [], message })
  }
  const placedBefore = placedIds(before)
  const placedAfter = new Set(placedIds(after))
  const out = placedBefore.filter((id) => !placedAfter.has(id))
  const limit = Math.max(1, Math.floor(budget.cells_out_share * placedBefore.length + 1e-9))
  if (out.length > limit) {
    const message = `${out.length} of ${placedBefore.length} cells lose all of their tenants at once (${out.join(', ')}); the budget allows ${limit} (${percent(budget.cells_out_share)}, one always); take them out in steps`
    excesses.push({ budget: 'cells_out_share', value: out.length, limit, cells: out, message })
  }
  return excesses
}

function checkMovement(before: CheckedBase, after: CheckedBase, budget: Budget): Excess[] {
  const moved = measureMovement(before, after)
  const excesses: Excess[] = []
  for (const [field, what, value, needed, count] of [
    ['moved_share', 'places', moved.places, moved.placesNeeded, after.rows.length],
    ['moved_homes_share', 'homes', moved.homes, moved.homesNeeded, after.buckets],
  ] as const) {
    const limit = needed + budget[field]
    if (!isOver(value, limit)) continue
    const message = `${percent(value)} of all ${what} move (${Math.round(value * count)} of ${count}); the change needs ${percent(needed)}, and the budget allows ${percent(budget[field])} beyond that`
    excesses.push({ budget: field, value, limit, cells: [], message })
  }
  return excesses
}

/** Who is hit by the loss of a cell, and of a pair, counted over buckets. */
function checkStanding(before: CheckedBase, after: CheckedBase, budget: Budget): Excess[] {
  const ideal = idealOf(activeCells(after), after)
  if (!ideal) return []
  const formerIdeal = idealOf(activeCells(before), before)
  const draw = equalParts(after.buckets)
  const touched = touchedShares(after)
  const formerShares = touchedShares(before)
  const formerTouched = new Map(before.cells.map(({ slot }, cell) => [slot, formerShares[cell]!]))
  // Cells' loads are what placement controls, to a few buckets; which cells meet in a bucket is left to chance.
  const cellLimit = ({ cellTouched }: Ideal, slot: number) =>
    Math.min(1, (cellTouched.get(slot) ?? 0) * budget.cell_factor + BUCKETS_SLACK / after.buckets)
  const excesses: Excess[] = []
  for (const [cell, { slot, id }] of after.cells.entries()) {
    const standing = {
      value: touched[cell]!,
      limit: cellLimit(ideal, slot),
      formerValue: formerTouched.get(slot) ?? 0,
      formerLimit: formerIdeal ? cellLimit(formerIdeal, slot) : 0,
    }
    if (!isWorse(standing)) continue
    const { value, limit } = standing
    const message = `cell "${id}" would have ${percent(value)} of all buckets; the budget allows ${percent(limit)} (${budget.cell_factor} × its ideal of ${percent(ideal.cellTouched.get(slot) ?? 0)}); its loss would touch all tenants of those`
    excesses.push({ budget: 'cell_factor', value, limit, cells: [id], message })
  }
  const pair = worstPair(after)
  if (pair) excesses.push(...checkPair(before, pair, ideal, formerIdeal, budget, draw))
  return excesses
}

function checkPair(
  before: CheckedBase,
  pair: NonNullable<ReturnType<typeof worstPair>>,
  ideal: Ideal,
  formerIdeal: Ideal | null,
  budget: Budget,
  draw: Draw,
): Excess[] {
  const { share: value, ids } = pair
  const limit = limitOf(ideal.pairLost, budget.pair_factor, draw)
  const formerValue = worstPair(before)?.share ?? 0
  const formerLimit = limitOf(formerIdeal?.pairLost ?? 0, budget.pair_factor, draw)
  if (!isWorse({ value, limit, formerValue, formerLimit })) return []
  const message = `cells ${ids.join(' and ')} would be all that ${percent(value)} of the buckets have; the budget allows ${percent(limit)} (${budget.pair_factor} × the ideal of ${percent(ideal.pairLost)}); their loss would stop all tenants of those`
  return [{ budget: 'pair_factor', value, limit, cells: ids, message }]
}

export type Standing = { value: number; limit: number; formerValue: number; formerLimit: number }

/** Over the limit, and worse by this change: in itself, and measured against what the fleet's size makes ideal. */
export function isWorse({ value, limit, formerValue, formerLimit }: Standing): boolean {
  return (
    isOver(value, limit) && isOver(value, formerValue) && isOver(value * formerLimit, formerValue * limit)
  )
}

export function limitOf(ideal: number, factor: number, draw: Draw): number {
  return limitWithChance(ideal * factor, draw)
}

export function activeCells(base: CheckedBase): CheckedBase['cells'] {
  return base.cells.filter((cell) => cell.state === 'active' && cell.role === 'serving')
}

function placedIds(base: CheckedBase): string[] {
  const isPlaced = new Uint8Array(base.cells.length)
  for (const cell of base.rows) isPlaced[cell] = 1
  return base.cells.filter((_, cell) => isPlaced[cell] === 1).map(({ id }) => id)
}

/** By cell: the share of buckets that have it. */
function touchedShares({ cells, rows, buckets }: CheckedBase): Float64Array {
  const counts = new Float64Array(cells.length)
  for (const cell of rows) counts[cell]!++
  return counts.map((count) => count / buckets)
}

/** The two cells that the most buckets have nothing else than; null with shards of three and more. */
function worstPair(base: CheckedBase): { share: number; ids: string[] } | null {
  const { cells, rows, shardSize, buckets } = base
  const n = cells.length
  if (shardSize > 2 || n < 2) return null
  if (shardSize === 1) {
    const shares = touchedShares(base)
    const [first, second] = [...shares.keys()].sort((a, b) => shares[b]! - shares[a]!)
    const ids = [cells[first!]!.id, cells[second!]!.id]
    return { share: shares[first!]! + shares[second!]!, ids }
  }
  // Pairs that meet are at most as many as buckets; where all pairs are fewer, an array is far quicker than a map.
  const counts = n * n <= PAIRS_IN_ARRAY_MAX ? new Uint32Array(n * n) : new Map<number, number>()
  const countOf = (key: number) => (counts instanceof Map ? counts.get(key) : counts[key]) ?? 0
  let worst = 0
  let most = 0
  for (let start = 0; start < rows.length; start += 2) {
    const a = rows[start]!
    const b = rows[start + 1]!
    const key = a < b ? a * n + b : b * n + a
    const count = countOf(key) + 1
    if (counts instanceof Map) counts.set(key, count)
    else counts[key] = count
    if (count > most) {
      most = count
      worst = key
    }
  }
  return { share: most / buckets, ids: [cells[Math.floor(worst / n)]!.id, cells[worst % n]!.id] }
}

const shape = ({ seed, buckets, shardSize }: CheckedBase) => `seed ${seed}, ${buckets} buckets × ${shardSize}`
