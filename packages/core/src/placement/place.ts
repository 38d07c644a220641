/**
 * Placement: which k cells each bucket has, home first.
 *
 * **The problem.** A fleet has n cells and B buckets, and every bucket is to have k of the cells. Wanted, in this order:
 *
 * 1. *Zones.* A bucket's cells are in different zones, while there are at least k zones.
 * 2. *Load.* Each cell has places, and homes, in proportion to its weight, within 10 %; but a cell with a bound on tenants
 *    has no more than that, and the others have the rest.
 * 3. *Least movement.* What a former table says is kept. A new cell takes its fair share and nothing else moves.
 * 4. *Spread.* Buckets are combined at random, so that two tenants rarely share all of their cells. This is the one
 *    that a balance check does not see: pair up the cells badly, and load stays even while the blast radius is that of
 *    a much smaller fleet.
 *
 * **The idea.** Every (bucket, cell) has a score, a hash; a bucket wants the cells that score best (rendezvous
 * hashing). The scores give the spread and, since they depend on nothing else, the same wishes whatever happened
 * before. The *quotas* (how many places each cell is to have) give the load, exactly. The *former table* gives the
 * rest. Then:
 *
 * 1. `quotas.ts`: weights, zones and bounds → quotas, whole numbers.
 * 2. Keep every place of the former table that is still allowed. A bucket whose home is gone makes its next cell the
 *    home: failover has taken its tenants there already. From nothing, every place is a hole.
 * 3. `fill.ts`: fill the holes, each with the best-scored cell that is below its quota.
 * 4. `level.ts`: if a cell is out of bounds, cells below their quota take places from cells above, each in the buckets
 *    where it scores best. A newcomer takes the position, home or alternate, of the cell that it replaces.
 * 5. `relieve.ts`: a cell with more tenants than its bound gives some to cells that have room.
 * 6. `homes.ts`: where a cell's homes are out of bounds, swap homes with alternates inside rows.
 *
 * A table that is within bounds comes back unchanged. All tables that come out of here are exactly at their quotas but
 * for a few places, so a cell that joins or leaves moves its own share only.
 *
 * **The same everywhere.** The result depends on the arguments alone. Arithmetic is on integers, and + − × ÷ on
 * doubles, which IEEE 754 fixes to the bit; no logarithm (see `scores.ts` for how weights do without).
 */
import { type Parsed, parsed } from '@cellplane/contract'
import { type Draft, startDraft } from './draft.ts'
import { fillHoles } from './fill.ts'
import { balanceHomes } from './homes.ts'
import { levelPlaces } from './level.ts'
import { planQuotas } from './quotas.ts'
import { relieve } from './relieve.ts'
import {
  boundProblems,
  bucketBounds,
  type CrowdedCell,
  crowdedCells,
  excessOf,
  NO_TENANTS,
  type TenantLoad,
  tenantsInAll,
} from './tenant-bounds.ts'

/** Travels with every table. A change of the algorithm that would place differently gets another version. */
export const PLACEMENT_ALGORITHM = { algorithm: 'capacitated-rendezvous', version: 1 }

/** How far a cell may be from its target before places are moved for it, as a share of the target. */
export const BALANCE_TOLERANCE = 0.1

/** An active serving cell. Weights count relative to each other; a cell of weight 0 gets no place. At most `tenantsMax` tenants are to have it in their shard. */
export type PlacedCell = { slot: number; weight: number; zone: string; tenantsMax?: number }

/** `buckets` is a power of two; `seed` is 32 bit. */
export type PlacementPolicy = { buckets: number; shardSize: number; seed: number }

export type Placement = {
  /** Slots, buckets × shard size, row by row, home first. */
  table: Uint16Array
  /** Places whose bucket did not have that cell before. 0 from nothing. */
  movedPlaces: number
  /** Buckets whose home changed. 0 from nothing. */
  movedHomes: number
  /** What the zones or the former table forced, in words. */
  notes: string[]
  /** Cells above their bounds, where that was allowed. */
  crowded: CrowdedCell[]
}

/**
 * @param previous the table that is in force, or null. One of another size is not used, and a note says so.
 * @returns problems NO_CELLS, SHARD_TOO_LARGE, WEIGHT_UNREACHABLE, TENANTS_BOUND_UNMET
 */
export function place(
  previous: Uint16Array | null,
  cells: readonly PlacedCell[],
  policy: PlacementPolicy,
  tenants: TenantLoad = NO_TENANTS,
): Parsed<Placement> {
  const planned = planQuotas(cells, policy, tenantsInAll(tenants))
  if (!planned.ok) return planned
  const quotas = planned.value
  const notes = [...quotas.notes]
  const fits = previous?.length === policy.buckets * policy.shardSize
  if (previous && !fits) {
    notes.push(
      `the former table has ${previous.length} places, not ${policy.buckets} × ${policy.shardSize}; it is not used, and all tenants are placed anew`,
    )
  }
  const former = fits ? previous : null

  const draft = startDraft(quotas, policy)
  if (former) keepPlaces(draft, former)
  fillHoles(draft)
  if (!former || !isInBounds(draft)) levelPlaces(draft)
  const bounds = bucketBounds(quotas.cells, policy, tenants)
  if (bounds) relieve(draft, bounds, slackOf)
  balanceHomes(draft, former ? slackOf : () => 0)

  const table = draft.rows.map((cell) => quotas.cells[cell]!.slot)
  const crowded = crowdedCells(table, quotas.cells, policy, tenants)
  if (crowded.length > 0 && excessOf(crowded) > tenants.excessAllowed) {
    return { ok: false, problems: boundProblems(crowded, quotas.cells, quotas.groups, policy, tenants) }
  }
  const moves = former ? countMoves(former, table, policy.shardSize) : NOTHING_MOVED
  return parsed({ table, ...moves, notes, crowded })
}

const NOTHING_MOVED = { movedPlaces: 0, movedHomes: 0 }

/** Takes over each place whose cell is still there and whose group the row does not have yet; the rest moves up. */
function keepPlaces(draft: Draft, former: Uint16Array): void {
  const { shardSize, cells, groupOf } = draft
  const cellOfSlot = new Map(cells.map(({ slot }, cell) => [slot, cell]))
  for (let start = 0; start < former.length; start += shardSize) {
    let end = start
    for (let place = start; place < start + shardSize; place++) {
      const cell = cellOfSlot.get(former[place]!)
      if (cell === undefined) continue
      const isTaken = draft.rows.subarray(start, end).some((kept) => groupOf[kept] === groupOf[cell])
      if (!isTaken) draft.put(end++, cell)
    }
  }
}

/** How far from its quota a cell may be before anything is moved for it: the tolerance, or one place. */
function slackOf(quota: number): number {
  return Math.max(1, BALANCE_TOLERANCE * quota)
}

/** Whether every cell's places are within the slack of its quota. */
function isInBounds({ places, quota }: Draft): boolean {
  return places.every((count, cell) => Math.abs(count - quota[cell]!) <= slackOf(quota[cell]!))
}

function countMoves(before: Uint16Array, after: Uint16Array, shardSize: number): typeof NOTHING_MOVED {
  let movedPlaces = 0
  let movedHomes = 0
  for (let start = 0; start < after.length; start += shardSize) {
    const row = before.subarray(start, start + shardSize)
    if (after[start] !== row[0]) movedHomes++
    for (let place = start; place < start + shardSize; place++) {
      if (!row.includes(after[place]!)) movedPlaces++
    }
  }
  return { movedPlaces, movedHomes }
}
