/** A small fleet for this package's tests and benches: a fleet file, its registry and its base. */
import type { Cell, Override, Parsed, UnsignedTopologyBase } from '@cellplane/contract'
import { type FleetFile, parseFleet } from '@cellplane/contract/fleet-file'
import { type PlacedCell, place } from '../placement/place.ts'
import { type BaseInput, compileBase, placementPolicyOf } from './compile.ts'

export const SINCE = '2026-01-01T00:00:00.000Z'

export function exampleFleet(change: Record<string, unknown> = {}): FleetFile {
  return unwrap(
    parseFleet({
      format: 1,
      fleet: 'shop',
      kind: 'stateless',
      partition_key: { rules: [{ from: 'header', name: 'x-tenant' }] },
      placement: { buckets: 256 },
      cells: { count: 4 },
      components: [{ name: 'api', run: 'node api.js', serves: true }],
      routes: [{ path: '/v1/things/{id}', failover: 'read', cell_in: 'id' }],
      ...change,
    }),
  )
}

export function exampleCell(slot: number, change: Partial<Cell> = {}): Cell {
  return {
    id: `cell-${slot}`,
    slot,
    role: 'serving',
    state: 'active',
    state_since: SINCE,
    region: 'local',
    zone: 'local',
    stage: 'dev',
    provider: 'local',
    account: 'local',
    host: 'local',
    dns_names: [],
    capacity: {},
    weight: 10,
    release: 'r1',
    endpoint: `http://127.0.0.1:${7500 + slot}`,
    stores: [],
    components: ['api'],
    price_per_hour: null,
    ...change,
  }
}

export type ExampleInput = Partial<Omit<BaseInput, 'fleet' | 'cells'>> & {
  fleet?: FleetFile
  cells?: readonly Cell[]
  overrides?: readonly Override[]
}

/** Four cells and a quarantine cell (slot 4) unless told otherwise; placed from nothing. */
export function exampleBase(change: ExampleInput = {}): UnsignedTopologyBase {
  const fleet = change.fleet ?? exampleFleet()
  const cells = change.cells ?? [
    ...[0, 1, 2, 3].map((slot) => exampleCell(slot)),
    exampleCell(4, { id: 'quarantine', role: 'quarantine' }),
  ]
  const table = change.table ?? tableOf(fleet, placeable(cells))
  return unwrap(
    compileBase({
      formerTables: [],
      formerOverrides: [],
      overrides: [],
      tokens: null,
      epoch: 1,
      version: 1,
      issuedAt: SINCE,
      ...change,
      fleet,
      cells,
      table,
    }),
  )
}

export function tableOf(fleet: FleetFile, cells: readonly PlacedCell[]): Uint16Array {
  return unwrap(place(null, cells, placementPolicyOf(fleet))).table
}

export function placeable(cells: readonly Cell[]): PlacedCell[] {
  return cells.filter((cell) => cell.role === 'serving' && cell.state === 'active')
}

/** The value of something that is right by construction. */
export function unwrap<T>(result: Parsed<T>): T {
  if (result.ok) return result.value
  throw new Error(JSON.stringify(result.problems))
}
