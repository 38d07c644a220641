/** The cells that a fleet file declares, with the fleet's defaults filled in; the quarantine cell last. */
import type { Capacity, CellRole } from '../registry/cell.ts'
import type { CellEntry, FleetFile } from './schema.ts'

export type DeclaredCell = {
  id: string
  role: CellRole
  zone: string
  weight: number
  capacity: Capacity
  database_url: string | null
  dns_names: string[]
  /** Where the tenants' own clients reach it; null for where routers do. */
  public_url: string | null
  price_per_hour: number | null
}

export function cellsOf(file: FleetFile): DeclaredCell[] {
  const { cells, quarantine } = file
  const entries: CellEntry[] =
    cells.list ?? Array.from({ length: cells.count ?? 0 }, (_, i) => ({ id: numberedCellId(i + 1) }))
  const serving = entries.map(
    (entry, i): DeclaredCell => ({
      id: entry.id,
      role: 'serving',
      zone: entry.zone ?? cells.zones[i % cells.zones.length]!,
      weight: entry.weight ?? cells.weight,
      capacity: { ...cells.capacity, ...entry.capacity },
      database_url: entry.database?.url ?? null,
      dns_names: entry.dns_names ?? [],
      public_url: entry.public_url ?? publicUrlOf(file, entry.id),
      price_per_hour: entry.price_per_hour ?? null,
    }),
  )
  if (!quarantine.enabled) return serving
  const absorber: DeclaredCell = {
    id: quarantine.id,
    role: 'quarantine',
    zone: cells.zones[0]!,
    weight: 0,
    capacity: quarantine.capacity ?? cells.capacity,
    database_url: null,
    dns_names: [],
    public_url: publicUrlOf(file, quarantine.id),
    price_per_hour: null,
  }
  return [...serving, absorber]
}

/** Where the tenants' own clients reach a cell of that id, as far as the fleet says it for all. */
export function publicUrlOf({ cells }: FleetFile, id: string): string | null {
  return cells.public_url?.replaceAll('{cell}', id) ?? null
}

/** The guide's naming: cell-001, cell-002, … */
export function numberedCellId(n: number): string {
  return `cell-${String(n).padStart(3, '0')}`
}
