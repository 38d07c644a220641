/**
 * What operators do to cells: add, drain, undrain, retire. Each runs inside one transaction of the store.
 *
 * A change is planned before it is made: one after which no base could be published is refused, with the planner's
 * own words, while there still is somebody to read them.
 */
import {
  type Capacity,
  type Cell,
  type Override,
  type Parsed,
  type Problem,
  parsed,
  problem,
  refused,
} from '@cellplane/contract'
import { type FleetFile, numberedCellId, publicUrlOf, storeOf } from '@cellplane/contract/fleet-file'
import { type CellEvent, nextFreeSlot, transition } from '@cellplane/core'
import { recordChange } from '../audit/audit.ts'
import type { Observations } from '../health/observations.ts'
import { CELLS, type StoredCell } from '../store/collections.ts'
import { intact, type StoreWriter } from '../store/store.ts'
import type { BasePlanner } from '../topology/base-planner.ts'
import type { ForcibleCause } from '../topology/force-grant.ts'
import { planTable } from '../topology/plan-table.ts'
import type { Published } from '../topology/published.ts'
import { newCell } from './declare.ts'
import { placedByName } from './placed-by-name.ts'
import { inState, onceReady } from './plan-lifecycle.ts'

export type NewCell = {
  id?: string | undefined
  zone?: string | undefined
  weight?: number | undefined
  capacity?: Capacity | undefined
  host?: string | undefined
  database_url?: string | undefined
}

/** Who asks for a change, and why. */
export type Cause = { actor: string; reason: string }

export type CellChangesOptions = {
  fleet: FleetFile
  defaultHost: string
  planner: BasePlanner
  published: Published
  observations: Observations
  now: () => number
}

export type CellChanges = ReturnType<typeof createCellChanges>

export function createCellChanges(options: CellChangesOptions) {
  const { fleet, planner, published, observations, now } = options

  async function add(writer: StoreWriter, wish: NewCell, cause: Cause): Promise<Parsed<StoredCell>> {
    const registered = intact(await writer.list(CELLS))
    const id = wish.id ?? nextFreeId(registered)
    const problems = [...checkRoom(registered, id), ...checkDatabase(registered, wish.database_url)]
    if (problems.length > 0) return { ok: false, problems }
    const { cells } = fleet
    const serving = registered.filter((stored) => stored.cell.role === 'serving').length
    const stored = newCell(
      fleet,
      {
        id,
        role: 'serving',
        zone: wish.zone ?? cells.zones[serving % cells.zones.length]!,
        weight: wish.weight ?? cells.weight,
        capacity: { ...cells.capacity, ...wish.capacity },
        database_url: wish.database_url ?? null,
        dns_names: [],
        public_url: publicUrlOf(fleet, id),
        price_per_hour: null,
      },
      nextFreeSlot(registered.map((one) => one.cell.slot)),
      wish.host ?? options.defaultHost,
      now(),
    )
    const placeable = await checkPlacement(writer, registered, stored.cell)
    if (!placeable.ok) return placeable
    await writer.put(CELLS, id, stored)
    await recordChange(writer, { ...cause, action: 'cell.add', subject: id }, now())
    return parsed(stored)
  }

  async function change(
    writer: StoreWriter,
    id: string,
    event: CellEvent & ('drain' | 'undrain' | 'retire'),
    cause: ForcibleCause,
    givesUp = false,
  ): Promise<Parsed<StoredCell>> {
    const registered = intact(await writer.list(CELLS))
    const before = registered.find((stored) => stored.cell.id === id)
    if (!before) return refused(problem('NOT_FOUND', '', `no cell is called "${id}"`))
    const cells = registered.map((stored) => stored.cell)
    const facts = observations.factsOf(before.cell, cells, published.base(), givesUp)
    const step = transition(before.cell.state, event, facts)
    if (!step.ok) return step
    // Whatever its zone did to it before, from here on it is as somebody said of it alone.
    const { is_evacuated: _marked, ...rest } = before
    const after = { ...rest, cell: inState(before.cell, step.value, now()) }
    if (event !== 'retire') {
      const planning = await planner.read(writer, cells)
      const why = event === 'drain' ? whyNotEmptied(before.cell, planning.ground.overrides) : undefined
      if (why !== undefined) return refused(problem('CONFLICT', '', why))
      const changed = cells.map((cell) => (cell.id === id ? after.cell : cell))
      const plan = planning.plan({ cells: changed, bounds: 'keep' })
      if (!plan.ok) return plan
      const leave = await planning.allow(plan.value.base, cause, `${event} ${id}`)
      if (!leave.ok) return leave
    }
    await writer.put(CELLS, id, after)
    const { actor, reason } = cause
    await recordChange(writer, { actor, reason, action: `cell.${event}`, subject: id }, now())
    return parsed(after)
  }

  /**
   * Whether the new cell can be placed once it is ready, with all that are on their way: told now, to somebody who is
   * there to read it, and not by a cell that never serves. What could not be placed without it either is no reason: this
   * cell may be the first part of the remedy.
   */
  async function checkPlacement(
    writer: StoreWriter,
    registered: readonly StoredCell[],
    added: Cell,
  ): Promise<Parsed<unknown>> {
    const cells = registered.map((stored) => stored.cell)
    const { ground } = await planner.read(writer, [...cells, added])
    const place = (registry: readonly Cell[]) =>
      planTable({ ...ground, cells: registry.map((cell) => onceReady(cell, now())), bounds: 'keep' })
    const plan = place([...cells, added])
    return plan.ok || !place(cells).ok ? parsed(undefined) : plan
  }

  function checkRoom(registered: readonly StoredCell[], id: string): Problem[] {
    const problems: Problem[] = []
    const known = registered.find((stored) => stored.cell.id === id)
    if (known) {
      const why = `"${id}" is a cell already (${known.cell.state}); ids are given once, so choose another`
      problems.push(problem('CONFLICT', 'id', why))
    }
    const alive = registered.filter(({ cell }) => cell.role === 'serving' && cell.state !== 'retired').length
    if (alive >= fleet.cells.max) {
      const why = `the fleet has ${alive} cells and cells.max is ${fleet.cells.max}; retire one, grow the cells, or raise cells.max on purpose`
      problems.push(problem('CONFLICT', '', why))
    }
    return problems
  }

  return {
    add,
    drain: (writer: StoreWriter, id: string, cause: ForcibleCause) => change(writer, id, 'drain', cause),
    undrain: (writer: StoreWriter, id: string, cause: ForcibleCause) => change(writer, id, 'undrain', cause),
    retire: (writer: StoreWriter, id: string, cause: Cause, force: boolean) =>
      change(writer, id, 'retire', cause, force),
  }
}

/** The next number after the highest: a retired cell's id is not given again. */
function nextFreeId(registered: readonly StoredCell[]): string {
  const numbers = registered.map(({ cell }) => Number(/^cell-(\d+)$/.exec(cell.id)?.[1] ?? 0))
  return numberedCellId(Math.max(0, ...numbers) + 1)
}

/** The address alone can be compared before the cell runs; the stores themselves are compared when its host reports them. */
function checkDatabase(registered: readonly StoredCell[], url: string | undefined): Problem[] {
  if (url === undefined) return []
  const wanted = storeOf(url)
  if (!wanted || !/^postgres(ql)?:$/.test(new URL(url).protocol)) {
    return [problem('INVALID_FORMAT', 'database_url', 'expected postgres://user:password@host:port/database')]
  }
  const owner = registered.find(
    ({ cell, database_url }) =>
      cell.state !== 'retired' &&
      ((database_url !== null && storeOf(database_url) === wanted) ||
        cell.stores.some((store) => store.location === wanted)),
  )
  if (!owner) return []
  const why = `resolves to ${wanted}, which is the database of cell "${owner.cell.id}"; a cell shares nothing, so give it its own`
  return [problem('STORES_SHARED', 'database_url', why)]
}

function whyNotEmptied(cell: Cell, overrides: readonly Override[]): string | undefined {
  const placed = placedByName([cell.slot], overrides)
  if (!placed) return undefined
  const remedy = placed.arePins ? 'unpin them first' : 'a stateful tenant leaves its home only by a migration'
  return `cell "${cell.id}" is the cell of ${placed.count} tenants by name (${placed.names}); ${remedy}`
}
