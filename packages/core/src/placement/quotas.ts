/**
 * Quotas: how many places and homes each cell is to have.
 *
 * A place is a bucket's claim on a cell; there are k for each bucket. A cell stands in a row at most once, so its share
 * of all places is at most 1/k: a weight above that cannot be met, and is refused.
 *
 * Where zones count, the same holds for a zone, since a row has at most one cell of each. A zone with more weight than
 * 1/k gets 1/k, and what it loses goes to the other zones in proportion. This is not refused, because zones come first;
 * but a note says which zone then carries more than its weight.
 *
 * A bound on tenants is one more ceiling: a cell that may have a tenth of all tenants gets a tenth of the buckets at
 * most, whatever its weight, and the others carry the rest in proportion. Where all ceilings together leave no room, each
 * is stretched towards what zones allow, so that there always is a placement; whether it is put up with is for
 * `tenant-bounds.ts` to say.
 *
 * **Groups** make one case of the two: a group is what a row has at most one cell of. It is a zone where zones count,
 * and otherwise a single cell.
 */
import { type Parsed, parsed, problem, refused } from '@cellplane/contract'
import { hashKey } from '../hash/bucket.ts'
import type { PlacedCell, PlacementPolicy } from './place.ts'
import { handicapOf, keyOfSlot } from './scores.ts'

/** Shares are computed with rounding: equal weights must not fail against their own sum. */
const ROUNDING = 1e-9

/** A cell without a quota still has a finite score, for the rows that find nothing else. */
const PROBABILITY_MIN = 1e-9

/** A zone that carries this much more than its weight is worth a note. */
const ZONE_EXCESS_NOTED = 1.1

export type Group = {
  key: number
  handicap: number
  /** Cells, by index. */
  cells: readonly number[]
}

export type Quotas = {
  /** Cells with a weight, by slot; everything else here is by their index. */
  cells: readonly PlacedCell[]
  groups: readonly Group[]
  groupOf: Uint16Array
  cellKeys: Uint32Array
  /** By cell: against the other cells of its group. */
  handicaps: Float64Array
  quota: Uint32Array
  homeQuota: Uint32Array
  notes: string[]
}

/** `tenants`: how many the bounds are to be reckoned with; 0: bounds do not count. */
export function planQuotas(all: readonly PlacedCell[], policy: PlacementPolicy, tenants = 0): Parsed<Quotas> {
  const { buckets, shardSize, seed } = policy
  const cells = all.filter((cell) => cell.weight > 0).sort((a, b) => a.slot - b.slot)
  if (cells.length === 0) {
    return refused(
      problem(
        'NO_CELLS',
        'cells',
        `none of ${all.length} cells is active with a weight above 0; add or activate one`,
      ),
    )
  }
  if (cells.length < shardSize) {
    return refused(
      problem(
        'SHARD_TOO_LARGE',
        'placement.shard_size',
        `a shard of ${shardSize} does not fit into ${cells.length} active cells; lower it or add cells`,
      ),
    )
  }
  const total = sum(cells.map((cell) => cell.weight))
  const tooHeavy = cells.filter((cell) => cell.weight * shardSize > total * (1 + ROUNDING))
  if (tooHeavy.length > 0)
    return { ok: false, problems: tooHeavy.map((cell) => unreachable(cell, total, shardSize)) }

  const zones = [...new Set(cells.map((cell) => cell.zone))].sort()
  const doZonesCount = shardSize > 1 && zones.length >= shardSize
  const members = doZonesCount
    ? zones.map((zone) => cells.flatMap((cell, i) => (cell.zone === zone ? [i] : [])))
    : cells.map((_, i) => [i])
  const weights = members.map((group) => sum(group.map((i) => cells[i]!.weight)))
  /** Places that a cell's bound allows. */
  const ceilings = cells.map(({ tenantsMax }) =>
    tenantsMax === undefined || tenants === 0
      ? buckets
      : Math.min(buckets, Math.floor((tenantsMax * buckets) / tenants)),
  )
  const cap = 1 / shardSize
  const bounded = members.map((group) => sum(group.map((i) => ceilings[i]!)) / (buckets * shardSize))
  const shares = capShares(
    weights.map((weight) => weight / total),
    cap,
    stretch(
      bounded.map((share) => Math.min(share, cap)),
      cap,
    ),
  )

  const groupQuotas = apportion(buckets * shardSize, shares)
  const groupOf = new Uint16Array(cells.length)
  const handicaps = new Float64Array(cells.length)
  const quota = new Uint32Array(cells.length)
  for (const [g, group] of members.entries()) {
    const inner = innerShares(
      group.map((i) => cells[i]!.weight / weights[g]!),
      group.map((i) => ceilings[i]!),
      groupQuotas[g]!,
      buckets,
    )
    const innerQuotas = apportion(groupQuotas[g]!, inner)
    for (const [j, i] of group.entries()) {
      groupOf[i] = g
      handicaps[i] = handicapOf(Math.max(inner[j]!, PROBABILITY_MIN))
      quota[i] = innerQuotas[j]!
    }
  }
  const cellKeys = Uint32Array.from(cells, (cell) => keyOfSlot(cell.slot))
  return parsed({
    cells,
    groups: members.map((group, g) => ({
      key: doZonesCount ? hashKey(zones[g]!, seed) : cellKeys[group[0]!]!,
      handicap: handicapOf(Math.max(shares[g]! * shardSize, PROBABILITY_MIN)),
      cells: group,
    })),
    groupOf,
    cellKeys,
    handicaps,
    quota,
    homeQuota: Uint32Array.from(
      apportion(
        buckets,
        [...quota].map((places) => places / (buckets * shardSize)),
      ),
    ),
    notes: [
      ...(doZonesCount ? zoneNotes(zones, shares, weights, total, shardSize) : tooFewZones(zones, shardSize)),
      ...boundNotes(cells, ceilings, quota, total, policy),
    ],
  })
}

/** A group's shares for its cells: by weight, and within their ceilings where one has a bound. */
function innerShares(
  byWeight: readonly number[],
  ceilings: readonly number[],
  groupQuota: number,
  buckets: number,
): readonly number[] {
  if (byWeight.length === 1 || groupQuota === 0 || ceilings.every((ceiling) => ceiling === buckets)) {
    return byWeight
  }
  const within = ceilings.map((ceiling) => Math.min(1, ceiling / groupQuota))
  return capShares(byWeight, 1, stretch(within, 1))
}

/** The ceilings as they are if their sum is 1 or more; otherwise each moved towards `limit` by the same part of the way, until it is. */
function stretch(ceilings: readonly number[], limit: number): readonly number[] {
  const missing = 1 - sum(ceilings)
  if (missing <= ROUNDING) return ceilings
  const part = missing / sum(ceilings.map((ceiling) => limit - ceiling))
  return ceilings.map((ceiling) => ceiling + (limit - ceiling) * part)
}

/**
 * Shares of at most `cap`, or of their own lower ceilings, which sum to 1: what is above goes to the others in proportion,
 * again and again until nobody is above. Ends, since each round caps one more.
 */
export function capShares(
  shares: readonly number[],
  cap: number,
  ceilings: readonly number[] = shares.map(() => cap),
): number[] {
  const isCapped = shares.map(() => false)
  for (;;) {
    const free = sum(shares.filter((_, i) => !isCapped[i]))
    const lower = ceilings.filter((ceiling, i) => isCapped[i] && ceiling < cap)
    // One product for all at the common cap: a sum would round differently, and place differently.
    const left = 1 - cap * (isCapped.filter(Boolean).length - lower.length) - sum(lower)
    const scaled = shares.map((share, i) => (isCapped[i] ? ceilings[i]! : (share / free) * left))
    const above = scaled.findIndex((share, i) => !isCapped[i] && share > ceilings[i]! * (1 + ROUNDING))
    if (above < 0) return scaled.map((share, i) => Math.min(share, ceilings[i]!))
    isCapped[above] = true
  }
}

/** Whole numbers in proportion to the shares, with the given sum: largest remainders, ties to the first. */
export function apportion(total: number, shares: readonly number[]): number[] {
  const exact = shares.map((share) => share * total)
  const whole = exact.map(Math.floor)
  const byRemainder = exact
    .map((_, i) => i)
    .sort((a, b) => exact[b]! - whole[b]! - (exact[a]! - whole[a]!) || a - b)
  const left = total - sum(whole)
  for (const i of byRemainder.slice(0, left)) whole[i]!++
  return whole
}

function unreachable(cell: PlacedCell, total: number, shardSize: number) {
  const reachable = Math.floor(((total - cell.weight) / (shardSize - 1)) * 100) / 100
  return problem(
    'WEIGHT_UNREACHABLE',
    `cells[slot ${cell.slot}].weight`,
    `the cell in slot ${cell.slot} has weight ${cell.weight} of ${total} in all; with shards of ${shardSize} a cell carries at most 1/${shardSize}, so lower it to ${reachable}, split the cell, or add weight elsewhere`,
  )
}

function zoneNotes(
  zones: readonly string[],
  shares: readonly number[],
  weights: readonly number[],
  total: number,
  shardSize: number,
): string[] {
  return zones.flatMap((zone, z) =>
    shares[z]! > (weights[z]! / total) * ZONE_EXCESS_NOTED
      ? [
          `zone "${zone}" has ${percent(weights[z]! / total)} of the weight but carries ${percent(shares[z]!)} of the places, because each shard of ${shardSize} spreads over zones; add cells to it`,
        ]
      : [],
  )
}

function boundNotes(
  cells: readonly PlacedCell[],
  ceilings: readonly number[],
  quota: Uint32Array,
  total: number,
  { buckets, shardSize }: PlacementPolicy,
): string[] {
  const places = buckets * shardSize
  return cells.flatMap(({ slot, weight, tenantsMax }, i) =>
    ceilings[i]! < Math.floor((weight / total) * places)
      ? [
          `the cell in slot ${slot} is bounded to ${tenantsMax} tenants and carries ${percent(quota[i]! / places)} of the places instead of ${percent(weight / total)} by its weight`,
        ]
      : [],
  )
}

function tooFewZones(zones: readonly string[], shardSize: number): string[] {
  return shardSize > 1 && zones.length > 1
    ? [
        `${zones.length} zones are too few for shards of ${shardSize} in different zones; zones are not considered`,
      ]
    : []
}

function percent(share: number): string {
  return `${Math.round(share * 100)} %`
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, n) => total + n, 0)
}
