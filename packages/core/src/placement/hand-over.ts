/**
 * A table in which places are handed over by name: this bucket's place, from this cell to that one, and nothing else.
 *
 * `place` works out which tenants a cell should have; here somebody says it (a rebalancing, a split, a merge), and what has to
 * hold all the same is asked for each place: a bucket has a cell once, its cells are in different zones while there are zones
 * enough, and no cell gets more tenants than its bound.
 *
 * Where cells end up with more or fewer places than their weights say, the weights are wrong and not the table: `weightsAfter`
 * gives each cell the weight of what it has. With those `place` finds the table in bounds and leaves it alone, so what was
 * handed over stays when the next cell comes or goes.
 */
import type { PlacedCell, PlacementPolicy } from './place.ts'

export type Move = { bucket: number; from: number; to: number }

/** What a hand-over comes to: slots in the table, moves in the order in which they were made. */
export type HandedOver = {
  table: Uint16Array
  moves: Move[]
  /** Slot → weight, of every cell that was given. */
  weights: Map<number, number>
}

/** Tenants by bucket, as far as known; without them no bound is looked at. */
export type HandOverInput = {
  table: Uint16Array
  /** Cells that have places afterwards, one that has none yet included: it is their zones that count. */
  cells: readonly PlacedCell[]
  policy: PlacementPolicy
  tenantsByBucket: Uint32Array | null
}

export type HandOver = ReturnType<typeof startHandOver>

/** Weights are told in hundredths: what is finer is less than a bucket. */
const WEIGHT_STEPS = 100

/** For weights that are rounded downwards beside one that is at the most that shards allow. */
const REACH_MARGIN = 0.005

/** The most that a weight may be. */
const WEIGHT_MAX = 100

export function startHandOver({ table, cells, policy, tenantsByBucket }: HandOverInput) {
  const { shardSize } = policy
  const rows = table.slice()
  const bySlot = new Map(cells.map((cell) => [cell.slot, cell]))
  const zoneCount = new Set(cells.map((cell) => cell.zone)).size
  const doZonesCount = shardSize > 1 && zoneCount >= shardSize
  const tenants = new Map<number, number>()
  const places = new Map<number, number>()
  const countAt = (place: number) => tenantsByBucket?.[Math.floor(place / shardSize)] ?? 0
  for (const [place, slot] of table.entries()) {
    places.set(slot, (places.get(slot) ?? 0) + 1)
    tenants.set(slot, (tenants.get(slot) ?? 0) + countAt(place))
  }
  const placesBefore = new Map(places)
  const moves: Move[] = []

  return {
    rows,
    moves,
    placesOf: (slot: number): number => places.get(slot) ?? 0,

    fits(place: number, slot: number): boolean {
      const cell = bySlot.get(slot)
      if (!cell) return false
      const start = place - (place % shardSize)
      for (let other = start; other < start + shardSize; other++) {
        const found = rows[other]!
        if (found === slot) return false
        if (other !== place && doZonesCount && bySlot.get(found)?.zone === cell.zone) return false
      }
      const bound = cell.tenantsMax ?? Number.POSITIVE_INFINITY
      return countAt(place) === 0 || (tenants.get(slot) ?? 0) + countAt(place) <= bound
    },

    give(place: number, slot: number): void {
      const from = rows[place]!
      rows[place] = slot
      places.set(from, places.get(from)! - 1)
      places.set(slot, (places.get(slot) ?? 0) + 1)
      tenants.set(from, tenants.get(from)! - countAt(place))
      tenants.set(slot, (tenants.get(slot) ?? 0) + countAt(place))
      moves.push({ bucket: Math.floor(place / shardSize), from, to: slot })
    },

    /** A cell's weight grows and shrinks as its places do; one that had none gets what its places weigh on average. */
    weightsAfter(): Map<number, number> {
      const total = cells.reduce((sum, cell) => sum + cell.weight, 0)
      const weightOf = ({ slot, weight }: PlacedCell) => {
        const [before, after] = [placesBefore.get(slot) ?? 0, places.get(slot) ?? 0]
        if (before === after) return weight
        return before === 0 || weight === 0 ? (total * after) / rows.length : (weight * after) / before
      }
      const weights = withinReach(
        cells.map((cell) => weightOf(cell)),
        shardSize,
      )
      // Only their proportions count, so all of them shrink when one would be beyond the scale.
      const scale = Math.min(1, WEIGHT_MAX / Math.max(...weights))
      // Downwards, so that one at the most that shards allow stays within it.
      const rounded = (weight: number) => Math.floor(weight * scale * WEIGHT_STEPS) / WEIGHT_STEPS
      return new Map(
        cells.map((cell, i) => {
          const isAsBefore = scale === 1 && weights[i] === cell.weight
          return [cell.slot, isAsBefore ? cell.weight : rounded(weights[i]!)]
        }),
      )
    },
  }
}

export function handedOver(draft: HandOver): HandedOver {
  return { table: draft.rows, moves: draft.moves, weights: draft.weightsAfter() }
}

/**
 * Weights of which none is above 1/k of all, which placement would refuse. Places never are, since a bucket has a cell once; but
 * they follow the weights to within a tolerance only.
 */
function withinReach(weights: readonly number[], shardSize: number): number[] {
  const within = [...weights]
  if (shardSize === 1) return within
  // Who is cut stays cut: at most k − 1 cells can be above 1/k, so as many rounds do.
  for (let round = 0; round < shardSize; round++) {
    const total = within.reduce((sum, weight) => sum + weight, 0)
    const heavy = within.findIndex((weight) => weight * shardSize > total)
    if (heavy < 0) break
    within[heavy] = ((total - within[heavy]!) / (shardSize - 1)) * (1 - REACH_MARGIN)
  }
  return within
}
