/**
 * The blast radius of a placement: who is hit when a cell, or a pair of cells, is lost.
 *
 * A tenant is *touched* by a loss that takes one of its cells, and *lost* with all of them. It is counted over the
 * tenants that are known, each also by its traffic; over buckets, where none are known yet. Two tenants in one bucket,
 * or with the same pair of cells, go down together: that is what the figures for pairs show, and what a look at the
 * load does not.
 */
import type { Override } from '@cellplane/contract'
import type { BlastRadius, Impact } from '@cellplane/contract/api'
import { bucketOf } from '../hash/bucket.ts'

/** `cells` are those that tenants are placed on, by whatever way; a slot in a row that none of them has is an error. */
export type PlacedFleet = {
  /** Slots, buckets × shard size. */
  table: Uint16Array
  shardSize: number
  cells: readonly { slot: number; id: string }[]
}

/** `requests` is any measure of traffic, as long as it is the same for all. */
export type TenantLoad = { tenant: string; requests: number }

/** @param tenants registered or observed; null or empty: counted over buckets */
export function blastRadius(
  fleet: PlacedFleet,
  tenants: readonly TenantLoad[] | null,
  hash: { seed: number; buckets: number },
  overrides: readonly Override[],
): BlastRadius {
  const { cells, shardSize } = fleet
  const isOverTenants = tenants !== null && tenants.length > 0
  const tally = startTally(fleet)
  if (isOverTenants) {
    const overridden = new Map(overrides.map((override) => [override.tenant, override.cells]))
    for (const { tenant, requests } of tenants) {
      const bucket = bucketOf(tenant, hash.seed, hash.buckets)
      tally.add(overridden.get(tenant) ?? rowOf(fleet, bucket), requests)
    }
  } else {
    for (let bucket = 0; bucket < hash.buckets; bucket++) tally.add(rowOf(fleet, bucket), 1)
  }
  const impacts = cells.map((_, cell) => tally.impactOf([cell]))
  const placed = new Set(fleet.table).size
  return {
    counted_over: isOverTenants ? 'tenants' : 'buckets',
    count: isOverTenants ? tenants.length : hash.buckets,
    worst_cell: worst(impacts, 'touched'),
    worst_pair: worst(tally.pairImpacts(), 'lost'),
    cells: impacts,
    ideal: {
      cell_touched: placed === 0 ? 0 : Math.min(1, shardSize / placed),
      pair_lost: idealPairLost(placed, shardSize),
    },
  }
}

function rowOf({ table, shardSize }: PlacedFleet, bucket: number): Uint16Array {
  return table.subarray(bucket * shardSize, (bucket + 1) * shardSize)
}

/** Tenants and traffic, as sums or as shares of all. */
type Weight = { tenants: number; traffic: number }

/**
 * Sums by cell and by pair of cells. What a pair touches is what each touches, less what both do; what it takes
 * wholly is what each takes alone (shards of one cell) and the shards of exactly the two. So only pairs that meet in
 * a shard need a sum of their own: with shards of two, tens of thousands rather than all half a million.
 */
export function startTally({ cells }: Pick<PlacedFleet, 'cells'>) {
  const cellOfSlot = new Map(cells.map(({ slot }, cell) => [slot, cell]))
  const touched = cells.map(none)
  const lostAlone = cells.map(none)
  const meeting = new Map<number, Weight>()
  const exactly = new Map<number, Weight>()
  const total = none()
  const pairKey = (a: number, b: number) => Math.min(a, b) * cells.length + Math.max(a, b)

  function impactOf(members: readonly number[]): Impact {
    const hit = none()
    const lost = none()
    for (const cell of members) {
      grow(hit, touched[cell]!)
      grow(lost, lostAlone[cell]!)
    }
    const [a, b] = members
    if (a !== undefined && b !== undefined) {
      grow(hit, meeting.get(pairKey(a, b)) ?? none(), -1)
      grow(lost, exactly.get(pairKey(a, b)) ?? none())
    }
    const share = (part: number, whole: number) => (whole === 0 ? 0 : Math.min(1, part / whole))
    return {
      cells: members.map((cell) => cells[cell]!.id),
      tenants_touched: share(hit.tenants, total.tenants),
      tenants_lost: share(lost.tenants, total.tenants),
      traffic_touched: share(hit.traffic, total.traffic),
      traffic_lost: share(lost.traffic, total.traffic),
    }
  }

  return {
    impactOf,
    /** One tenant, or all of one bucket: `requests` is what they have together. */
    add(slots: Iterable<number>, requests: number, tenants = 1): void {
      const weight = { tenants, traffic: requests }
      const shard = Array.from(slots, (slot) => {
        const cell = cellOfSlot.get(slot)
        if (cell === undefined)
          throw new RangeError(`slot ${slot} is in a shard, but not among the cells given`)
        return cell
      })
      grow(total, weight)
      for (const cell of shard) grow(touched[cell]!, weight)
      if (shard.length === 1) grow(lostAlone[shard[0]!]!, weight)
      for (const [i, a] of shard.entries()) {
        for (const b of shard.slice(i + 1)) {
          growIn(meeting, pairKey(a, b), weight)
          if (shard.length === 2) growIn(exactly, pairKey(a, b), weight)
        }
      }
    },
    /** Of every pair that meets in a shard, and of the two cells that lose most alone: no other pair can be worse. */
    pairImpacts(): Impact[] {
      const n = cells.length
      const pairs = Array.from(meeting.keys(), (key): [number, number] => [Math.floor(key / n), key % n])
      const heaviest = cells
        .map((_, cell) => cell)
        .sort((a, b) => lostAlone[b]!.traffic - lostAlone[a]!.traffic)
      const [first, second] = heaviest
      if (first !== undefined && second !== undefined) pairs.push([first, second])
      return pairs.map(impactOf)
    },
  }
}

function worst(impacts: readonly Impact[], by: 'touched' | 'lost'): Impact | null {
  const rank = (i: Impact) =>
    by === 'touched'
      ? [i.traffic_touched, i.tenants_touched]
      : [i.traffic_lost, i.tenants_lost, i.traffic_touched, i.tenants_touched]
  return impacts.reduce<Impact | null>((most, next) => {
    if (most === null) return next
    const differing = rank(next).findIndex((value, i) => value !== rank(most)[i])
    return differing >= 0 && rank(next)[differing]! > rank(most)[differing]! ? next : most
  }, null)
}

/** The share that a pair takes wholly when shards are spread evenly over all sets of cells: 2/n, 1/C(n, 2), none. */
function idealPairLost(cells: number, shardSize: number): number {
  if (cells === 0 || shardSize > 2) return 0
  return Math.min(1, shardSize === 1 ? 2 / cells : 2 / (cells * (cells - 1)))
}

function none(): Weight {
  return { tenants: 0, traffic: 0 }
}

function grow(sum: Weight, by: Weight, sign = 1): void {
  sum.tenants += sign * by.tenants
  sum.traffic += sign * by.traffic
}

function growIn(sums: Map<number, Weight>, key: number, by: Weight): void {
  const sum = sums.get(key)
  if (sum) grow(sum, by)
  else sums.set(key, { ...by })
}
