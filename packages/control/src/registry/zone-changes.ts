/**
 * Leaving a zone, and coming back.
 *
 * An evacuation drains every active serving cell of a zone at once: one plan, one check against the budget, one base. Cell by
 * cell each step would place the tenants of the cells before it anew, some of them on the next cell to go. The cells are marked, so
 * that restoring takes back these and not those that somebody drained for reasons of their own.
 *
 * What is left must carry the load: what cells were asked in the last seconds against the ceilings of those that stay. It is
 * asked with a force that means both, since who gives up a zone has no choice of when.
 */
import { type Cell, type Override, type Parsed, parsed, problem, refused } from '@cellplane/contract'
import { type CellEvent, transition } from '@cellplane/core'
import { recordChange } from '../audit/audit.ts'
import type { Observations } from '../health/observations.ts'
import { CELLS, type StoredCell } from '../store/collections.ts'
import { intact, type StoreWriter } from '../store/store.ts'
import type { BasePlanner } from '../topology/base-planner.ts'
import type { ForcibleCause } from '../topology/force-grant.ts'
import type { Published } from '../topology/published.ts'
import { placedByName } from './placed-by-name.ts'
import { inState } from './plan-lifecycle.ts'

export type ZoneChangesOptions = {
  planner: BasePlanner
  published: Pick<Published, 'base'>
  observations: Pick<Observations, 'factsOf'>
  /** Requests a second by cell id, as routers count them; null when nobody knows. */
  requestRates: () => Promise<ReadonlyMap<string, number> | null>
  now: () => number
}

/** `capacity`: in words, what the cells that are left carry and what they are asked. */
export type ZoneChange = { cells: string[]; capacity: string }

export type ZoneChanges = ReturnType<typeof createZoneChanges>

export function createZoneChanges(options: ZoneChangesOptions) {
  const { planner, published, observations, now } = options

  async function change(
    writer: StoreWriter,
    zone: string,
    event: CellEvent & ('drain' | 'undrain'),
    cause: ForcibleCause,
    rates: ReadonlyMap<string, number> | null,
  ): Promise<Parsed<ZoneChange>> {
    const registered = intact(await writer.list(CELLS))
    const cells = registered.map((stored) => stored.cell)
    const chosen = registered.filter((stored) => isConcerned(stored, zone, event))
    if (chosen.length === 0) return refused(problem('CONFLICT', 'path.zone', nothingTo(event, zone, cells)))
    const after = new Map<string, StoredCell>()
    for (const stored of chosen) {
      const facts = observations.factsOf(stored.cell, cells, published.base())
      const left = facts.activeCells - (event === 'drain' ? chosen.length - 1 : 0)
      if (event === 'drain' && left - 1 < facts.shardSize) {
        const why = `zone "${zone}" has ${chosen.length} of the ${facts.activeCells} active cells; ${left - 1} would be left, and shards have ${facts.shardSize}; add cells in other zones first`
        return refused(problem('CONFLICT', 'path.zone', why))
      }
      const step = transition(stored.cell.state, event, { ...facts, activeCells: left })
      if (!step.ok) return step
      const { is_evacuated: _marked, ...rest } = stored
      const cell = inState(stored.cell, step.value, now())
      after.set(cell.id, { ...rest, cell, ...(event === 'drain' ? { is_evacuated: true as const } : {}) })
    }
    const changed = cells.map((cell) => after.get(cell.id)?.cell ?? cell)
    const subject = `zone ${zone}: ${[...after.keys()].join(', ')}`
    const planning = await planner.read(writer, changed)
    const why = event === 'drain' ? whyNotEmptied(chosen, planning.ground.overrides) : undefined
    if (why !== undefined) return refused(problem('CONFLICT', 'path.zone', why))
    const room = judgeRoom(changed, rates)
    if (event === 'drain' && room.isShort && !cause.force) {
      const why = `${room.words}; add cells or raise their ceilings first, or force it with a reason (CLI: --force --reason; API: "force": true)`
      return refused(problem('CONFLICT', '', why))
    }
    if (planning.held) {
      const plan = planning.plan({ cells: changed, bounds: cause.force ? 'best-effort' : 'keep' })
      if (!plan.ok) return plan
      const leave = await planning.allow(plan.value.base, cause, `${event} ${subject}`)
      if (!leave.ok) return leave
    }
    for (const [id, stored] of after) await writer.put(CELLS, id, stored)
    const { actor, reason } = cause
    const action = event === 'drain' ? 'zone.evacuate' : 'zone.restore'
    await recordChange(writer, { actor, reason, action, subject }, now())
    return parsed({ cells: [...after.keys()], capacity: room.words })
  }

  const run =
    (event: CellEvent & ('drain' | 'undrain')) =>
    async (
      write: <T>(run: (writer: StoreWriter) => Promise<T>) => Promise<T>,
      zone: string,
      cause: ForcibleCause,
    ) => {
      const rates = await options.requestRates()
      return write((writer) => change(writer, zone, event, cause, rates))
    }

  return { evacuate: run('drain'), restore: run('undrain') }
}

function isConcerned({ cell, is_evacuated }: StoredCell, zone: string, event: 'drain' | 'undrain'): boolean {
  if (cell.zone !== zone || cell.role !== 'serving') return false
  if (event === 'drain') return cell.state === 'active'
  return is_evacuated === true && (cell.state === 'draining' || cell.state === 'drained')
}

function nothingTo(event: 'drain' | 'undrain', zone: string, cells: readonly Cell[]): string {
  const zones = [...new Set(cells.filter((cell) => cell.state !== 'retired').map((cell) => cell.zone))].sort()
  const known = zones.includes(zone) ? '' : `; the fleet's zones are ${zones.join(', ')}`
  return event === 'drain'
    ? `no serving cell of zone "${zone}" is active${known}`
    : `no cell drains because zone "${zone}" was evacuated${known}; a cell that was drained by itself comes back by \`cell undrain\``
}

function whyNotEmptied(chosen: readonly StoredCell[], overrides: readonly Override[]): string | undefined {
  const slots = chosen.map((stored) => stored.cell.slot)
  const placed = placedByName(slots, overrides)
  if (!placed) return undefined
  const remedy = placed.arePins
    ? 'pin them to other cells, or unpin them first'
    : 'stateful tenants stay where their data is until they are migrated, so failover is all that an evacuation could do'
  return `${placed.count} tenants are in the zone by name (${placed.names}); ${remedy}`
}

/** Whether the cells that are active afterwards have ceilings for what the whole fleet is asked now. */
export function judgeRoom(
  cells: readonly Cell[],
  rates: ReadonlyMap<string, number> | null,
): { isShort: boolean; words: string } {
  const left = cells.filter((cell) => cell.state === 'active' && cell.role === 'serving')
  const ceilings = left.map((cell) => cell.capacity.requests_per_second)
  if (ceilings.some((ceiling) => ceiling === undefined)) {
    const words = `whether the ${left.length} cells that are left can carry the load is not known: not all declare capacity.requests_per_second`
    return { isShort: false, words }
  }
  const room = ceilings.reduce<number>((sum, ceiling) => sum + ceiling!, 0)
  if (rates === null) {
    const words = `the ${left.length} cells that are left carry ${room} requests/s by their ceilings; what is asked of the fleet is not known`
    return { isShort: false, words }
  }
  const asked = cells.reduce((sum, cell) => sum + (rates.get(cell.id) ?? 0), 0)
  const words = `the ${left.length} cells that are left carry ${room} requests/s by their ceilings, and the fleet is asked ${Math.round(asked * 10) / 10}`
  return { isShort: asked > room, words }
}
