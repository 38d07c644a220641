/**
 * A cell's weight and capacity, set while the fleet runs.
 *
 * The change is planned like any other: a weight beyond what shards allow, or a bound on tenants that cannot be kept, is
 * refused with the remedy, and so is what exceeds the budget.
 *
 * The fleet file declares these too, and what was said last counts: what was set stays over restarts until the file says
 * something else than it did then. `settings.weight` is what a person said last; a rebalancing calibrates the cell's own weight
 * away from it, and the next one still knows which part the cell is meant for.
 */
import {
  type Capacity,
  type Cell,
  canonicalJson,
  type Parsed,
  parsed,
  problem,
  refused,
} from '@cellplane/contract'
import type { FleetFile } from '@cellplane/contract/fleet-file'
import { excessOf, TENANTS_BOUND_UNMET } from '@cellplane/core'
import { recordChange } from '../audit/audit.ts'
import { CELLS, type StoredCell } from '../store/collections.ts'
import { intact, type StoreWriter } from '../store/store.ts'
import { describeCrowded } from '../tenants/tenant-load.ts'
import type { BasePlanner } from '../topology/base-planner.ts'
import type { ForcibleCause } from '../topology/force-grant.ts'
import { onceReady } from './plan-lifecycle.ts'

/** What is left out stays; a ceiling that is null is taken off. */
export type CellWish = {
  weight?: number | undefined
  capacity?: { [Field in keyof Capacity]?: Capacity[Field] | null | undefined } | undefined
}

/** Of a cell that nothing was set on yet, the registry says what the fleet file declared. */
export function settingsOf({ cell, settings }: StoredCell): NonNullable<StoredCell['settings']> {
  const { weight, capacity } = cell
  return settings ?? { weight, declared: { weight, capacity } }
}

export type SetCell = ReturnType<typeof createCellSettings>

export function createCellSettings(fleet: Pick<FleetFile, 'kind'>, planner: BasePlanner, now: () => number) {
  async function check(
    writer: StoreWriter,
    before: readonly Cell[],
    after: readonly Cell[],
    isPlaced: boolean,
    cause: ForcibleCause,
    subject: string,
  ): Promise<Parsed<void>> {
    const planning = await planner.read(writer, after)
    // Before the first placement there is nothing to move; what cannot be placed then is told of cells that wait.
    if (!planning.held) return parsed(undefined)
    const plan = planning.plan({ cells: after, bounds: 'best-effort' })
    if (!plan.ok) return plan
    const formerly = planning.plan({ cells: before, bounds: 'best-effort' })
    const { crowded } = plan.value
    if (excessOf(crowded) > (formerly.ok ? excessOf(formerly.value.crowded) : 0)) {
      const problems = crowded.map((one) => {
        const id = after.find((cell) => cell.slot === one.slot)?.id
        const why = `cell "${id}": ${describeCrowded(one, fleet.kind)}`
        return problem(TENANTS_BOUND_UNMET, 'capacity.tenants', why)
      })
      return { ok: false, problems }
    }
    // One that is not placed yet moves nobody; what its activation exceeds is checked then.
    if (!isPlaced) return parsed(undefined)
    return planning.allow(plan.value.base, cause, subject)
  }

  return async function set(
    writer: StoreWriter,
    id: string,
    wish: CellWish,
    cause: ForcibleCause,
  ): Promise<Parsed<StoredCell>> {
    const registered = intact(await writer.list(CELLS))
    const before = registered.find((stored) => stored.cell.id === id)
    if (!before) return refused(problem('NOT_FOUND', 'path.cell', `no cell is called "${id}"`))
    const refusal = refusalOf(before.cell, wish)
    if (refusal) return refused(problem('CONFLICT', '', refusal))
    const cell: Cell = {
      ...before.cell,
      weight: wish.weight ?? before.cell.weight,
      capacity: withCapacity(before.cell.capacity, wish.capacity),
    }
    const settings = settingsOf(before)
    const stored = { ...before, cell, settings: { ...settings, weight: wish.weight ?? settings.weight } }
    const subject = `${id}: ${describeChange(before.cell, cell)}`
    // One that is on its way is placed as soon as it is ready: what it could not be placed with is told now.
    const asPlaced = (one: Cell) => (one.id === id ? onceReady(one, now()) : one)
    const cells = registered.map((one) => one.cell)
    const changed = cells.map((one) => (one.id === id ? cell : one))
    const leave =
      cell.state === 'active' || cell.endpoint !== null
        ? await check(
            writer,
            cells.map(asPlaced),
            changed.map(asPlaced),
            cell.state === 'active',
            cause,
            `set ${subject}`,
          )
        : parsed(undefined)
    if (!leave.ok) return leave
    await writer.put(CELLS, id, stored)
    const { actor, reason } = cause
    await recordChange(writer, { actor, reason, action: 'cell.set', subject }, now())
    return parsed(stored)
  }
}

function refusalOf(cell: Cell, { weight, capacity }: CellWish): string | undefined {
  if (weight === undefined && Object.keys(capacity ?? {}).length === 0)
    return 'nothing is to be set; name a weight or a ceiling of the capacity'
  if (cell.state === 'retired') return `cell "${cell.id}" is retired; it takes part in nothing any more`
  return cell.role === 'quarantine' && weight !== undefined
    ? `cell "${cell.id}" is the quarantine cell; no bucket is placed on it, so a weight means nothing there`
    : undefined
}

function withCapacity(before: Capacity, wish: CellWish['capacity'] = {}): Capacity {
  const all = Object.entries({ ...before, ...wish }).filter(
    ([, value]) => value !== null && value !== undefined,
  )
  return Object.fromEntries(all) as Capacity
}

function describeChange(before: Cell, after: Cell): string {
  const weight = before.weight === after.weight ? [] : [`weight ${before.weight} → ${after.weight}`]
  const fields = [
    ...new Set([...Object.keys(before.capacity), ...Object.keys(after.capacity)]),
  ] as (keyof Capacity)[]
  const capacity = fields
    .filter((field) => before.capacity[field] !== after.capacity[field])
    .map((field) => `${field} ${before.capacity[field] ?? 'none'} → ${after.capacity[field] ?? 'none'}`)
  const all = [...weight, ...capacity]
  return all.length > 0 ? all.join(', ') : `as it was (${canonicalJson(after.capacity)})`
}
