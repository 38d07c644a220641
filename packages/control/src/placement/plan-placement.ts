/**
 * Rebalancing, split and merge as plans: registry + what was observed + what is asked for → the table and the weights that
 * would be, and what that moves, told so that a person can judge it. Pure; whoever runs it stores the plan (`stored-plan.ts`).
 *
 * In a stateful fleet buckets only choose where new tenants start, and tenants stay where their data is. So a rebalancing moves
 * nothing there; it says which tenants would have to migrate. Splits and merges are refused.
 */
import {
  type Cell,
  canonicalJson,
  encodeTable,
  type Override,
  type Parsed,
  parsed,
  problem,
  refused,
  type TopologyBase,
} from '@cellplane/contract'
import type { PlacementPlan, PlacementWish, PlannedCell } from '@cellplane/contract/api'
import { PLAN_TENANTS_MAX } from '@cellplane/contract/api'
import type { FleetFile } from '@cellplane/contract/fleet-file'
import {
  blastRadius,
  type CellLoad,
  type HandedOver,
  type HandOverInput,
  mergeCell,
  placementPolicyOf,
  rebalance,
  splitCell,
} from '@cellplane/core'
import { settingsOf } from '../registry/cell-settings.ts'
import { inState } from '../registry/plan-lifecycle.ts'
import type { StoredCell, StoredPlan } from '../store/collections.ts'
import { type KnownTenant, LOAD_HOURS } from '../tenants/recent-requests.ts'
import { boundedCells } from '../tenants/tenant-load.ts'
import { tablesOf } from '../topology/plan-table.ts'
import { type ObservedLoad, observedLoad } from './observed-load.ts'
import { planMigrations } from './plan-migrations.ts'
import { countPlaces, movedBy } from './table-moves.ts'

export type Inventory = {
  fleet: FleetFile
  /** The whole registry. */
  registered: readonly StoredCell[]
  overrides: readonly Override[]
  tenants: readonly KnownTenant[]
  current: TopologyBase
}

/** What is stored of a plan, but for when and under which name. */
export type Planned = {
  stored: Pick<StoredPlan, 'subject' | 'table' | 'cells'>
  table: Uint16Array
  /** The registry once the plan is applied. */
  cells: Cell[]
  view: Omit<PlacementPlan, 'plan' | 'exceeded'>
}

/** What a plan holds for: a plan of another inventory would move something else than it said. */
export function inventoryOf({
  registered,
  overrides,
  current,
}: Omit<Inventory, 'fleet' | 'tenants'>): string {
  const cells = registered.map(({ cell: { id, slot, state, role, zone, weight, capacity } }) => {
    return { id, slot, state, role, zone, weight, capacity }
  })
  return canonicalJson({ table: current.table, hash: current.hash, cells, overrides })
}

/** Problems: CONFLICT for what cannot be, with the remedy. `now` in ms since the epoch. */
export function planPlacement(inventory: Inventory, wish: PlacementWish, now: number): Parsed<Planned> {
  const { fleet, registered, overrides, tenants, current } = inventory
  const before = tablesOf(current)
  if (!before.ok) return before
  const cells = registered.map((stored) => stored.cell)
  const traffic = observedLoad(inventory)
  const placed = boundedCells(
    cells
      .filter((cell) => cell.state === 'active' && cell.role === 'serving')
      .map(({ slot, weight, zone }) => ({ slot, weight, zone })),
    cells,
    overrides,
  )
  const input: HandOverInput = {
    table: before.value.table,
    cells: placed,
    policy: placementPolicyOf(fleet),
    tenantsByBucket: tenants.length > 0 ? traffic.tenantsByBucket : null,
  }
  const idOf = (slot: number) => cells.find((cell) => cell.slot === slot)?.id ?? `slot ${slot}`
  const saidWeight = new Map(registered.map((stored) => [stored.cell.slot, settingsOf(stored).weight]))

  const change = changeOf(inventory, wish, input, traffic, saidWeight)
  if (!change.ok) return change
  const { result, loads, notes, drains } = change.value
  const after = cells.map((cell) => {
    const weight = result.weights.get(cell.slot) ?? cell.weight
    const weighed = weight === cell.weight ? cell : { ...cell, weight }
    return cell.slot === drains ? inState(weighed, 'draining', now) : weighed
  })
  const moved = movedBy(input.table, result.table, current.shard_size)
  const touched = tenants
    .filter(({ tenant }) => !traffic.named.has(tenant))
    .filter(({ tenant }) => moved.buckets.has(traffic.bucketOf(tenant)))
  const requests = tenants.reduce((sum, one) => sum + one.requests, 0)
  const registeredTouched = touched
    .filter((one) => one.is_registered)
    .sort((a, b) => b.requests - a.requests || (a.tenant < b.tenant ? -1 : 1))
  const radiusOf = (table: Uint16Array) => {
    const shown = new Set([...input.table, ...table, ...overrides.flatMap((one) => one.cells)])
    const figures = blastRadius(
      { table, shardSize: current.shard_size, cells: cells.filter((cell) => shown.has(cell.slot)) },
      tenants.length > 0 ? [...tenants] : null,
      current.hash,
      overrides,
    )
    return {
      worst_cell_touched: figures.worst_cell?.tenants_touched ?? 0,
      worst_cell_lost: figures.worst_cell?.tenants_lost ?? 0,
      worst_pair_lost: figures.worst_pair?.tenants_lost ?? 0,
    }
  }
  const wouldMigrate =
    fleet.kind === 'stateful' && wish.kind === 'rebalance'
      ? planMigrations(inventory, (cell) => saidWeight.get(cell.slot)!).slice(0, PLAN_TENANTS_MAX)
      : []
  const [placesBefore, placesAfter] = [countPlaces(input.table), countPlaces(result.table)]
  const view: Planned['view'] = {
    kind: wish.kind,
    base_version: current.version,
    moved: { ...moved.counts, of_places: result.table.length, of_homes: current.hash.buckets },
    load_hours: LOAD_HOURS,
    traffic_share: requests === 0 ? null : touched.reduce((sum, one) => sum + one.requests, 0) / requests,
    tenants: {
      count: registeredTouched.length,
      named: registeredTouched.slice(0, PLAN_TENANTS_MAX).map((one) => one.tenant),
    },
    would_migrate: wouldMigrate,
    cells: cells
      .filter((cell) => placed.some((one) => one.slot === cell.slot))
      .map((cell): PlannedCell => {
        const load = loads?.find((one) => one.slot === cell.slot)
        return {
          id: cell.id,
          weight_before: cell.weight,
          weight_after: after.find((one) => one.slot === cell.slot)!.weight,
          places_before: placesBefore.get(cell.slot) ?? 0,
          places_after: placesAfter.get(cell.slot) ?? 0,
          load_before: load?.before ?? null,
          load_after: load?.after ?? null,
          part: load?.part ?? null,
          drains: cell.slot === drains,
        }
      }),
    blast_radius: { before: radiusOf(input.table), after: radiusOf(result.table) },
    notes: notes(idOf),
  }
  const stored = {
    subject: subjectOf(wish, view),
    table: encodeTable(result.table),
    cells: after
      .filter((cell) => placed.some((one) => one.slot === cell.slot))
      .map(({ id, slot, weight }) => ({ id, weight, drains: slot === drains })),
  }
  return parsed({ stored, table: result.table, cells: after, view })
}

type Change = {
  result: HandedOver
  loads: readonly CellLoad[] | null
  notes: (idOf: (slot: number) => string) => string[]
  /** Slot of a cell that the plan drains. */
  drains: number | null
}

function changeOf(
  { fleet, registered, overrides }: Inventory,
  wish: PlacementWish,
  input: HandOverInput,
  traffic: ObservedLoad,
  saidWeight: ReadonlyMap<number, number>,
): Parsed<Change> {
  if (wish.kind === 'rebalance') {
    const unchanged = { table: input.table, moves: [], weights: new Map<number, number>() }
    if (fleet.kind === 'stateful') {
      const note = 'stateful tenants stay where their data is; what is listed would have to migrate'
      return parsed({ result: unchanged, loads: null, notes: () => [note], drains: null })
    }
    // What is left of a month ago is no traffic.
    if (traffic.requests < 1) {
      const note = `no traffic was observed in the last ${LOAD_HOURS} h, so there is nothing to rebalance by`
      return parsed({ result: unchanged, loads: null, notes: () => [note], drains: null })
    }
    const result = rebalance({
      ...input,
      requestsByBucket: traffic.requestsByBucket,
      requestsByName: traffic.requestsByName(fleet.placement.choice === 'home-first'),
      isHomeFirst: fleet.placement.choice === 'home-first',
      partOf: ({ slot, weight }) => (weight === 0 ? 0 : saidWeight.get(slot)!),
    })
    const cutShort = 'this is as much as may move at once; apply it, and make another plan'
    const notes = (idOf: (slot: number) => string) => [
      ...(result.isCutShort ? [cutShort] : []),
      ...result.stuck.map(
        (slot) =>
          `cell ${idOf(slot)} stays above its part: no bucket of it that others have room for would help; see its largest tenants (\`cellplane tenant list\`), and pin them or split the cell`,
      ),
    ]
    return parsed({ result, loads: result.loads, notes, drains: null })
  }
  if (fleet.kind === 'stateful') {
    const why = `in a stateful fleet buckets only choose where new tenants start, so a ${wish.kind} would move nobody; set the cells' weights (\`cellplane cell set\`)`
    return refused(problem('CONFLICT', 'kind', why))
  }
  const pair = pairOf(registered, wish)
  if (!pair.ok) return pair
  const { from, into } = pair.value
  if (wish.kind === 'split') {
    if (into.weight > 0 || input.table.includes(into.slot)) {
      const why = `cell "${into.id}" has places already (weight ${into.weight}); a split goes to a cell without any: add one by \`cellplane cell add --weight 0 --wait\``
      return refused(problem('CONFLICT', 'into', why))
    }
    const result = splitCell({ ...input, requestsByBucket: traffic.requestsByBucket }, from.slot, into.slot)
    if (result.moves.length === 0) {
      const why = `no bucket of cell "${from.id}" may go to "${into.id}", for their zones or its bound on tenants; add a cell in zone "${from.zone}"`
      return refused(problem('CONFLICT', 'into', why))
    }
    const note = `${result.kept} buckets stay because of their zones or the bound on tenants`
    return parsed({ result, loads: null, notes: () => (result.kept > 0 ? [note] : []), drains: null })
  }
  const pinned = overrides.filter((override) => override.cells.includes(from.slot)).length
  if (pinned > 0) {
    const why = `cell "${from.id}" is the cell of ${pinned} tenants by name; pin them elsewhere, or unpin them first`
    return refused(problem('CONFLICT', 'cell', why))
  }
  const result = mergeCell(input, from.slot, into.slot)
  if (result.left > 0) {
    const why = `${result.left} buckets of cell "${from.id}" could go to no other cell, for their zones and the bounds on tenants; add a cell in zone "${from.zone}", or raise capacity.tenants`
    return refused(problem('CONFLICT', 'cell', why))
  }
  const note = `${result.elsewhere} buckets go to other cells than ${into.id}: they have it already, or a cell of its zone, or its bound on tenants is reached`
  return parsed({
    result,
    loads: null,
    notes: () => (result.elsewhere > 0 ? [note] : []),
    drains: from.slot,
  })
}

function pairOf(
  registered: readonly StoredCell[],
  wish: { cell: string; into: string },
): Parsed<{ from: Cell; into: Cell }> {
  const find = (id: string, path: string): Parsed<Cell> => {
    const cell = registered.find((stored) => stored.cell.id === id)?.cell
    if (!cell) return refused(problem('NOT_FOUND', path, `no cell is called "${id}"`))
    if (cell.state === 'active' && cell.role === 'serving') return parsed(cell)
    const is = cell.role === 'serving' ? cell.state : 'the quarantine cell'
    return refused(problem('CONFLICT', path, `cell "${id}" is ${is}; an active serving cell is expected`))
  }
  if (wish.cell === wish.into)
    return refused(problem('CONFLICT', 'into', `"${wish.into}" is the cell itself; name another one`))
  const [from, into] = [find(wish.cell, 'cell'), find(wish.into, 'into')]
  if (!from.ok) return from
  return into.ok ? parsed({ from: from.value, into: into.value }) : into
}

function subjectOf(wish: PlacementWish, { moved }: Pick<PlacementPlan, 'moved'>): string {
  const what = wish.kind === 'rebalance' ? 'rebalance' : `${wish.kind} ${wish.cell} into ${wish.into}`
  return `${what}: ${moved.places} of ${moved.of_places} places, ${moved.homes} of ${moved.of_homes} homes`
}
