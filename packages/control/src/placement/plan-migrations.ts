/**
 * Stateful fleets: which tenants' migration would even out what cells are asked. Pure, and advice only: a tenant moves by a
 * migration and by nothing else.
 *
 * As with buckets, the hottest home gives to the coolest one the heaviest tenant that does not overshoot.
 */
import type { Cell } from '@cellplane/contract'
import type { Inventory } from './plan-placement.ts'

/** A home this far above its part is left alone. */
const LOAD_TOLERANCE = 0.1

/** Of moves that are worked out; a plan shows fewer. */
const MIGRATIONS_MAX = 100

export type Migration = { tenant: string; from: string; to: string }

/** `partOf` a cell: the part of all requests that it is meant for, in any unit. */
export function planMigrations(
  { registered, overrides, tenants }: Pick<Inventory, 'registered' | 'overrides' | 'tenants'>,
  partOf: (cell: Cell) => number,
): Migration[] {
  const cells = registered
    .map((stored) => stored.cell)
    .filter((cell) => cell.state === 'active' && cell.role === 'serving' && partOf(cell) > 0)
  const requestsOf = new Map(tenants.map(({ tenant, requests }) => [tenant, requests]))
  const homes = new Map(cells.map((cell) => [cell.slot, [] as { tenant: string; requests: number }[]]))
  for (const { tenant, cells, generation } of overrides) {
    if (generation > 0) homes.get(cells[0]!)?.push({ tenant, requests: requestsOf.get(tenant) ?? 0 })
  }
  for (const own of homes.values()) {
    own.sort((a, b) => b.requests - a.requests || (a.tenant < b.tenant ? -1 : 1))
  }
  const loads = new Map(
    [...homes].map(([slot, own]) => [slot, own.reduce((sum, one) => sum + one.requests, 0)]),
  )
  const all = [...loads.values()].reduce((sum, load) => sum + load, 0)
  const parts = cells.reduce((sum, cell) => sum + partOf(cell), 0)
  const targetOf = (cell: Cell) => (all * partOf(cell)) / parts
  const surplus = (cell: Cell) => loads.get(cell.slot)! - targetOf(cell)
  const hasRoom = (cell: Cell) =>
    cell.capacity.tenants === undefined || homes.get(cell.slot)!.length < cell.capacity.tenants
  const migrations: Migration[] = []
  const stuck = new Set<number>()
  while (all > 0 && migrations.length < MIGRATIONS_MAX) {
    const byHeat = cells.toSorted((a, b) => surplus(b) / targetOf(b) - surplus(a) / targetOf(a))
    const from = byHeat.find((cell) => !stuck.has(cell.slot))
    if (!from || surplus(from) <= LOAD_TOLERANCE * targetOf(from)) break
    const to = byHeat.findLast((cell) => surplus(cell) < 0 && hasRoom(cell))
    const room = to ? Math.min(surplus(from), -surplus(to)) : 0
    const own = homes.get(from.slot)!
    const at = own.findIndex((one) => one.requests > 0 && one.requests <= room)
    if (!to || at < 0) {
      stuck.add(from.slot)
      continue
    }
    const [moved] = own.splice(at, 1)
    homes.get(to.slot)!.push(moved!)
    loads.set(from.slot, loads.get(from.slot)! - moved!.requests)
    loads.set(to.slot, loads.get(to.slot)! + moved!.requests)
    migrations.push({ tenant: moved!.tenant, from: from.id, to: to.id })
  }
  return migrations
}
