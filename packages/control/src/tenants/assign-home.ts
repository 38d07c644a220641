/**
 * Where a new stateful tenant gets its home: the shard of its bucket, home first, as long as the bound on tenants
 * (`capacity.tenants`) has room there. Pure.
 *
 * When the first cell is full, the next of the shard is the home and the full one an alternate, so the shard stays the
 * bucket's. When all of it is full, the emptiest cell of the fleet takes the tenant, with alternates from the shard, in
 * other zones where it has such. A tenant that an operator pinned stays where it was put, or is refused.
 */
import { type Cell, type Override, type Parsed, parsed, problem, refused } from '@cellplane/contract'
import { TENANTS_BOUND_UNMET } from '@cellplane/core'
import { homesBySlot } from './tenant-load.ts'

/**
 * The tenant's cells, home first. `shard` has slots, home first; `overrides` are all of the fleet's, read by need: they
 * are not looked at while no cell has a bound.
 */
export async function assignHome(
  tenant: string,
  shard: readonly number[],
  isPinned: boolean,
  cells: readonly Cell[],
  overrides: () => Promise<readonly Override[]>,
): Promise<Parsed<number[]>> {
  const bySlot = new Map(cells.map((cell) => [cell.slot, cell]))
  const first = bySlot.get(shard[0]!)
  if (first?.capacity.tenants === undefined) return parsed([...shard])
  const homes = homesBySlot(await overrides())
  /** Of its bound, what is taken: 1 is full. */
  const fullness = ({ slot, capacity: { tenants } }: Cell) =>
    tenants === undefined ? 0 : (homes.get(slot) ?? 0) / tenants
  if (fullness(first) < 1) return parsed([...shard])
  if (isPinned) {
    const why = `tenant "${tenant}" is pinned to cell "${first.id}", which is the home of ${homes.get(first.slot)} tenants and bounded to ${first.capacity.tenants}; pin it elsewhere, or raise the cell's capacity.tenants`
    return refused(problem(TENANTS_BOUND_UNMET, 'cells', why))
  }

  const isOpen = (cell: Cell | undefined): cell is Cell =>
    cell !== undefined &&
    cell.state === 'active' &&
    cell.role === 'serving' &&
    cell.weight > 0 &&
    fullness(cell) < 1
  const home =
    shard.map((slot) => bySlot.get(slot)).find(isOpen) ??
    cells
      .filter(isOpen)
      .sort(
        (a, b) =>
          fullness(a) - fullness(b) || (homes.get(a.slot) ?? 0) - (homes.get(b.slot) ?? 0) || a.slot - b.slot,
      )[0]
  if (!home) {
    const serving = cells.filter((cell) => cell.state === 'active' && cell.role === 'serving')
    const room = serving.reduce((sum, cell) => sum + (cell.capacity.tenants ?? 0), 0)
    const why = `no active cell may be the home of another tenant: their bounds (capacity.tenants) come to ${room} in ${serving.length} cells, and all are reached; raise the bounds, or add a cell`
    return refused(problem(TENANTS_BOUND_UNMET, 'tenant', why))
  }
  const inOtherZone = (slot: number) => Number(bySlot.get(slot)?.zone !== home.zone)
  const alternates = shard
    .filter((slot) => slot !== home.slot)
    .sort((a, b) => inOtherZone(b) - inOtherZone(a))
  return parsed([home.slot, ...alternates].slice(0, shard.length))
}
