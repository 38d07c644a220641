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
import { readBaseInputs } from '../topology/base-inputs.ts'
import { createBudgetCheck } from '../topology/budget-check.ts'
import { allowExcess, type ForcibleCause } from '../topology/force-grant.ts'
import { planBase } from '../topology/plan-base.ts'
import type { Published } from '../topology/published.ts'
import { inState } from './plan-lifecycle.ts'

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

export function createCellSettings(fleet: FleetFile, published: Published, now: () => number) {
  const checkBudget = createBudgetCheck(fleet)

  async function check(
    writer: StoreWriter,
    before: readonly Cell[],
    after: readonly Cell[],
    isPlaced: boolean,
    cause: ForcibleCause,
    subject: string,
  ): Promise<Parsed<void>> {
    const held = published.base()
    // Before the first placement there is nothing to move; what cannot be placed then is told of cells that wait.
    if (!held) return parsed(undefined)
    const inputs = await readBaseInputs(writer, fleet, after)
    const planOf = (cells: readonly Cell[]) =>
      planBase({
        ...{ fleet, cells, ...inputs, current: held.document, epoch: held.epoch, now: now() },
        bounds: 'best-effort',
      })
    const plan = planOf(after)
    if (!plan.ok) return plan
    const formerly = planOf(before)
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
    return allowExcess(writer, await checkBudget(writer, held, plan.value.base), cause, subject, now())
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
    const asPlaced = (one: Cell) =>
      one.id === id && (one.state === 'provisioning' || one.state === 'ready')
        ? inState(one, 'active', now())
        : one
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
