/**
 * Bounds on tenants: how many tenants may have a cell in their shard, and how many have it.
 *
 * Placement deals in buckets, so a bound is kept by counting what the buckets hold. *Known* tenants (registered, or seen
 * by routers) are counted by bucket. Where none is known, the tenants that the fleet is *expected* to have are taken to
 * be spread evenly, and a bound is as good as a number of buckets. Where none is expected either, no bound can be
 * reached, and none counts.
 *
 * Tenants come as they like, so a bound can be passed without anybody's doing. Whoever asks for a placement therefore
 * says how much excess he puts up with: none for a plan; as much as there is already for a change, which may not make
 * it worse; any for a placement that has to happen.
 */
import { type Problem, problem } from '@cellplane/contract'
import type { PlacedCell, PlacementPolicy } from './place.ts'

export type TenantLoad = {
  /** Known tenants by bucket; null when none is known. Tenants with an override of their own are not counted: the table does not place them. */
  byBucket: Uint32Array | null
  /** How many the fleet is to have; 0 when nobody said. */
  expected: number
  /** Tenants above the bounds, in all, that are put up with. With more a placement is refused. */
  excessAllowed: number
}

export const NO_TENANTS: TenantLoad = { byBucket: null, expected: 0, excessAllowed: 0 }

/** A cell above its bound. `tenants` is a fraction where they are expected and not known. */
export type CrowdedCell = { slot: number; tenants: number; bound: number }

/** Bounds in whole numbers, for whoever moves buckets. */
export type BucketBounds = {
  /** What a bucket counts for: its tenants, or 1 where none is known. */
  byBucket: Uint32Array
  /** By cell: at most this much; Infinity without a bound. */
  ceilings: Float64Array
}

/** Shares of a tenant are computed with rounding. */
const ROUNDING = 1e-6

/** Null where no bound counts. */
export function bucketBounds(
  cells: readonly PlacedCell[],
  { buckets }: PlacementPolicy,
  { byBucket, expected }: TenantLoad,
): BucketBounds | null {
  if (!hasBounds(cells) || (byBucket === null && expected === 0)) return null
  const ceilingOf = ({ tenantsMax = Number.POSITIVE_INFINITY }: PlacedCell) =>
    byBucket ? tenantsMax : Math.floor((tenantsMax * buckets) / expected)
  return {
    byBucket: byBucket ?? new Uint32Array(buckets).fill(1),
    ceilings: Float64Array.from(cells, ceilingOf),
  }
}

/** What quotas reckon with: all that are known, and not fewer than expected, or cells would be placed anew with the first few tenants. */
export function tenantsInAll({ byBucket, expected }: TenantLoad): number {
  return Math.max(expected, knownTenants(byBucket))
}

/** The cells of a table that are above their bounds, by slot. */
export function crowdedCells(
  table: Uint16Array,
  cells: readonly PlacedCell[],
  { buckets, shardSize }: PlacementPolicy,
  { byBucket, expected }: TenantLoad,
): CrowdedCell[] {
  if (!hasBounds(cells)) return []
  const share = expected / buckets
  const tenants = new Map(cells.map((cell) => [cell.slot, 0]))
  for (const [place, slot] of table.entries()) {
    const count = byBucket ? byBucket[Math.floor(place / shardSize)]! : share
    if (count > 0) tenants.set(slot, (tenants.get(slot) ?? 0) + count)
  }
  return cells.flatMap(({ slot, tenantsMax: bound = Number.POSITIVE_INFINITY }) => {
    const found = tenants.get(slot)!
    return found > bound + ROUNDING ? [{ slot, tenants: found, bound }] : []
  })
}

export function excessOf(crowded: readonly CrowdedCell[]): number {
  return crowded.reduce((sum, { tenants, bound }) => sum + tenants - bound, 0)
}

/** Why the bounds cannot be kept, and what would do. `groups`: cells of which a shard has one at most, by index. */
export function boundProblems(
  crowded: readonly CrowdedCell[],
  cells: readonly PlacedCell[],
  groups: readonly { cells: readonly number[] }[],
  { shardSize }: PlacementPolicy,
  load: TenantLoad,
): Problem[] {
  const total = load.byBucket ? knownTenants(load.byBucket) : load.expected
  const roomOf = (group: { cells: readonly number[] }) =>
    group.cells.reduce((room, i) => room + (cells[i]!.tenantsMax ?? total), 0)
  // A tenant has one cell of a group at most, so a group has room for each tenant once.
  const room = groups.reduce((sum, group) => sum + Math.min(total, roomOf(group)), 0)
  if (room < total * shardSize) {
    const inZones = groups.length < cells.length ? ', at most one cell of a zone for each tenant' : ''
    return [
      problem(
        TENANTS_BOUND_UNMET,
        'cells.capacity.tenants',
        `the cells' bounds on tenants have room for ${room} places${inZones}; ${load.byBucket ? 'the' : 'expected are'} ${total} tenants with shards of ${shardSize} ${load.byBucket ? 'need' : 'and they need'} ${total * shardSize}; raise capacity.tenants, or add ${inZones === '' ? 'cells' : 'cells to the zones that have the fewest'}`,
      ),
    ]
  }
  return crowded.map(({ slot, tenants, bound }) =>
    problem(
      TENANTS_BOUND_UNMET,
      `cells[slot ${slot}].capacity.tenants`,
      `the cell in slot ${slot} would have ${Math.ceil(tenants - ROUNDING)} tenants and is bounded to ${bound}, and no way was found to give them to other cells; raise its capacity.tenants, or add a cell`,
    ),
  )
}

export const TENANTS_BOUND_UNMET = 'TENANTS_BOUND_UNMET'

function hasBounds(cells: readonly PlacedCell[]): boolean {
  return cells.some((cell) => cell.tenantsMax !== undefined)
}

function knownTenants(byBucket: Uint32Array | null): number {
  return byBucket ? byBucket.reduce((sum, count) => sum + count, 0) : 0
}
