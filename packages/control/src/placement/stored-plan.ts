/**
 * A plan between being shown and being applied.
 *
 * Traffic never stands still, so the same question a minute later gives another plan. What an operator read is therefore what is
 * stored, table and weights, and what is applied is that, word for word, under its name. It is refused when the inventory changed
 * meanwhile, since then it would move something else than it said; when another plan was made since; and after a while.
 */
import { createHash } from 'node:crypto'
import {
  decodeTable,
  type Parsed,
  parsed,
  problem,
  refused,
  type UnsignedTopologyBase,
} from '@cellplane/contract'
import type { PlacementPlan, PlacementWish } from '@cellplane/contract/api'
import { settingsOf } from '../registry/cell-settings.ts'
import { inState } from '../registry/plan-lifecycle.ts'
import { CELLS, PLAN_KEY, PLANS, type StoredCell, UNDO_KEY, UNDOS } from '../store/collections.ts'
import { intact, type StoreReader, type StoreWriter } from '../store/store.ts'
import { readTenantRequests } from '../tenants/recent-requests.ts'
import type { BasePlanner } from '../topology/base-planner.ts'
import { baseWithTable } from '../topology/base-with-table.ts'
import type { ForcibleCause } from '../topology/force-grant.ts'
import type { HeldBase } from '../topology/published.ts'
import { inventoryOf, planPlacement } from './plan-placement.ts'

/** Traffic of an hour ago says little of what a move would do now. */
const PLAN_VALID_MS = 60 * 60_000

const NAME_LENGTH = 12

type Ground = { planner: BasePlanner; held: HeldBase; now: number }

/** Stores the plan, if it would change anything, in place of the one before. */
export async function makePlacementPlan(
  writer: StoreWriter,
  wish: PlacementWish,
  { planner, held, now }: Ground,
): Promise<Parsed<PlacementPlan>> {
  const registered = intact(await writer.list(CELLS))
  const { ground, excesses } = await planner.read(writer, cellsOf(registered))
  const { fleet, overrides } = ground
  const tenants = await readTenantRequests(writer, now)
  const current = held.document
  const inventory = { fleet, registered, overrides, tenants, current }
  const planned = planPlacement(inventory, wish, now)
  if (!planned.ok) return planned
  const { stored, table, cells, view } = planned.value
  const base = baseWithTable({ ...ground, cells, current }, table)
  if (!base.ok) return base
  const exceeded = (await excesses(base.value)).map(({ message }) => message)
  if (view.moved.places + view.moved.homes === 0) return parsed({ ...view, plan: null, exceeded })
  const of = hash(inventoryOf(inventory))
  const plan = hash(JSON.stringify([of, stored])).slice(0, NAME_LENGTH)
  await writer.put(PLANS, PLAN_KEY, { ...stored, plan, at: new Date(now).toISOString(), inventory: of })
  return parsed({ ...view, plan, exceeded })
}

/** The base that the plan comes to, within the budget or forced, and `commit`, which writes its cells: a refusal must leave the registry as it was. */
export async function applyPlacementPlan(
  writer: StoreWriter,
  plan: string,
  cause: ForcibleCause,
  { planner, held, epoch, now }: Ground & { epoch: number },
): Promise<Parsed<{ base: UnsignedTopologyBase; subject: string; commit: () => Promise<void> }>> {
  const found = await readPlan(writer, plan, now)
  if (!found.ok) return found
  const registered = intact(await writer.list(CELLS))
  const { ground, answerFor } = await planner.read(writer, cellsOf(registered), epoch)
  const { overrides } = ground
  const current = held.document
  if (hash(inventoryOf({ registered, overrides, current })) !== found.value.inventory) {
    const why = `cells, pins or the placement changed since plan ${plan} was made, so it would move something else than it said; make it anew and read it`
    return refused(problem('CONFLICT', 'path.plan', why))
  }
  const table = decodeTable(found.value.table, current.hash.buckets, current.shard_size)
  if (!table.ok) return table
  const changed = registered.flatMap((stored): StoredCell[] => {
    const change = found.value.cells.find((one) => one.id === stored.cell.id)
    if (!change || (change.weight === stored.cell.weight && !change.drains)) return []
    const weighed = { ...stored.cell, weight: change.weight }
    const cell = change.drains ? inState(weighed, 'draining', now) : weighed
    // A cell without a part of its own until now is meant for what it got; any other for what a person said.
    const settings = settingsOf(stored)
    const said = settings.weight === 0 ? change.weight : settings.weight
    return [{ ...stored, cell, settings: { ...settings, weight: said } }]
  })
  const after = new Map([...registered, ...changed].map(({ cell }) => [cell.id, cell]))
  const planned = baseWithTable({ ...ground, cells: [...after.values()], current }, table.value)
  if (!planned.ok) return planned
  const base = await answerFor(planned.value, cause, found.value.subject)
  if (!base.ok) return base
  const commit = async () => {
    for (const stored of changed) await writer.put(CELLS, stored.cell.id, stored)
    const before = registered.filter(({ cell }) => changed.some((one) => one.cell.id === cell.id))
    const { epoch, version } = base.value
    await writer.put(UNDOS, UNDO_KEY, { base: { epoch, version }, cells: before })
    await writer.remove(PLANS, PLAN_KEY)
  }
  return parsed({ base: base.value, subject: found.value.subject, commit })
}

/**
 * For a base that was taken back: its plan's weights and drains go too. The table without them would be placed anew by weights
 * that were made for another one.
 */
export async function undoPlacementPlan(
  writer: StoreWriter,
  base: { epoch: number; version: number },
  now: number,
): Promise<void> {
  const undo = await writer.get(UNDOS, UNDO_KEY)
  if (undo?.base.epoch !== base.epoch || undo.base.version !== base.version) return
  for (const before of undo.cells) {
    const is = await writer.get(CELLS, before.cell.id)
    if (!is) continue
    const { settings: _settings, ...rest } = is
    const weighed = { ...is.cell, weight: before.cell.weight }
    const isDrained = before.cell.state === 'active' && is.cell.state === 'draining'
    const cell = isDrained ? inState(weighed, 'active', now) : weighed
    const settings = before.settings ? { settings: before.settings } : {}
    await writer.put(CELLS, cell.id, { ...rest, cell, ...settings })
  }
  await writer.remove(UNDOS, UNDO_KEY)
}

async function readPlan(reader: StoreReader, plan: string, now: number) {
  const stored = await reader.get(PLANS, PLAN_KEY)
  if (stored?.plan !== plan) {
    const why = stored
      ? `the plan that was made last is ${stored.plan}; "${plan}" is not kept`
      : `no plan "${plan}" is waiting to be applied`
    return refused(problem('NOT_FOUND', 'path.plan', `${why}; make it anew and read it`))
  }
  if (now - Date.parse(stored.at) < PLAN_VALID_MS) return parsed(stored)
  const why = `plan ${plan} is of ${stored.at}, and a plan holds for an hour; make it anew and read it`
  return refused(problem('CONFLICT', 'path.plan', why))
}

const cellsOf = (registered: readonly StoredCell[]) => registered.map((stored) => stored.cell)

const hash = (text: string) => createHash('sha256').update(text).digest('hex')
