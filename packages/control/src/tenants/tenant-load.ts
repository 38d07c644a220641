/**
 * Bounds on tenants (`capacity.tenants`) and what counts towards them. Pure.
 *
 * *Stateless*: a tenant counts for each cell of its shard. Tenants that the table places are counted by bucket, for
 * placement to deal with; those with an override take room in their cells whatever the table says, so a cell's bound is
 * lower by them.
 *
 * *Stateful*: a tenant counts for its assigned home, from its registration on.
 */
import type { Cell, Override } from '@cellplane/contract'
import type { FleetFile } from '@cellplane/contract/fleet-file'
import {
  bucketOf,
  type CrowdedCell,
  type PlacedCell,
  placementPolicyOf,
  type TenantLoad,
} from '@cellplane/core'

/** The cells with the bounds that are left for the tenants of the table. */
export function boundedCells(
  placed: readonly PlacedCell[],
  cells: readonly Cell[],
  overrides: readonly Override[],
): PlacedCell[] {
  if (cells.every((cell) => cell.capacity.tenants === undefined)) return [...placed]
  const boundOf = new Map(cells.map((cell) => [cell.slot, cell.capacity.tenants]))
  const taken = new Map<number, number>()
  for (const slot of overrides.flatMap((override) => override.cells)) {
    taken.set(slot, (taken.get(slot) ?? 0) + 1)
  }
  return placed.map((cell) => {
    const bound = boundOf.get(cell.slot)
    if (bound === undefined) return cell
    return { ...cell, tenantsMax: Math.max(0, bound - (taken.get(cell.slot) ?? 0)) }
  })
}

/** Known tenants by bucket, and how many the fleet file expects. Nothing is counted where no cell has a bound. */
export function tenantLoad(
  fleet: FleetFile,
  bounded: readonly PlacedCell[],
  tenants: readonly string[],
  overrides: readonly Override[],
): TenantLoad {
  const none = { byBucket: null, expected: fleet.sizing?.tenants ?? 0, excessAllowed: 0 }
  if (tenants.length === 0 || bounded.every((cell) => cell.tenantsMax === undefined)) return none
  const { seed, buckets } = placementPolicyOf(fleet)
  const isPlacedByName = new Set(overrides.map((override) => override.tenant))
  const byBucket = new Uint32Array(buckets)
  for (const tenant of tenants) {
    if (!isPlacedByName.has(tenant)) byBucket[bucketOf(tenant, seed, buckets)]!++
  }
  return { ...none, byBucket }
}

/** Slot → how many tenants have their home there. */
export function homesBySlot(overrides: readonly Override[]): Map<number, number> {
  const homes = new Map<number, number>()
  for (const { cells, generation } of overrides) {
    if (generation > 0) homes.set(cells[0]!, (homes.get(cells[0]!) ?? 0) + 1)
  }
  return homes
}

/** Cells that are the home of more tenants than they may be: a bound was lowered, since registering keeps it. */
export function crowdedHomes(cells: readonly Cell[], overrides: readonly Override[]): CrowdedCell[] {
  if (cells.every((cell) => cell.capacity.tenants === undefined)) return []
  const homes = homesBySlot(overrides)
  return cells.flatMap(({ slot, capacity: { tenants: bound } }) => {
    const tenants = homes.get(slot) ?? 0
    return bound !== undefined && tenants > bound ? [{ slot, tenants, bound }] : []
  })
}

/** What status says of a crowded cell. */
export function describeCrowded({ tenants, bound }: CrowdedCell, kind: FleetFile['kind']): string {
  const found = Math.ceil(tenants)
  return kind === 'stateful'
    ? `it is the home of ${found} tenants, and capacity.tenants is ${bound}; new ones go elsewhere; raise the bound, or migrate some`
    : `${found} tenants have it in their shard, and its bound (capacity.tenants, less those pinned to it) is ${bound}; no other cell was found for them; raise the bound, or add a cell`
}
