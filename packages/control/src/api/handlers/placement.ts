/** Placement under change: settings of cells, zones, and plans that are read before they are applied. */
import { type Cell, type Parsed, parsed } from '@cellplane/contract'
import type { Observations } from '../../health/observations.ts'
import type { Tenure } from '../../leader/tenure.ts'
import { makePlacementPlan } from '../../placement/stored-plan.ts'
import type { SetCell } from '../../registry/cell-settings.ts'
import { cellView } from '../../registry/cell-view.ts'
import type { ZoneChange, ZoneChanges } from '../../registry/zone-changes.ts'
import { CELLS } from '../../store/collections.ts'
import { NotLeader, type Store } from '../../store/store.ts'
import type { BasePlanner } from '../../topology/base-planner.ts'
import type { Published } from '../../topology/published.ts'
import type { Handlers } from '../handler.ts'
import { nothingPublished } from '../problems.ts'

export type PlacementHandlersOptions = {
  planner: BasePlanner
  store: Store
  published: Published
  observations: Observations
  setCell: SetCell
  zones: ZoneChanges
  tenure: () => Tenure | undefined
  whyWaiting: (cell: Cell) => string | undefined
  /** Ms since the epoch. */
  now: () => number
}

export function placementHandlers(
  options: PlacementHandlersOptions,
): Handlers<'setCell' | 'evacuateZone' | 'restoreZone' | 'planPlacement' | 'applyPlacement'> {
  const { planner, store, published, observations, setCell, zones, tenure, whyWaiting, now } = options

  async function settled(zone: string, change: Parsed<ZoneChange>) {
    if (!change.ok) return change
    await tenure()?.settle()
    return parsed({ zone, ...change.value })
  }

  return {
    async setCell({ params, body: { reason, force, ...wish }, actor }) {
      const cause = { actor, reason, force }
      const changed = await store.write((writer) => setCell(writer, params.cell, wish, cause))
      if (!changed.ok) return changed
      await tenure()?.settle()
      const { cell } = (await store.get(CELLS, params.cell)) ?? changed.value
      return parsed(cellView(cell, observations, published.overlay()?.overlay, whyWaiting(cell)))
    },
    async evacuateZone({ params: { zone }, body, actor }) {
      return settled(zone, await zones.evacuate(store.write, zone, { actor, ...body }))
    },
    async restoreZone({ params: { zone }, body, actor }) {
      return settled(zone, await zones.restore(store.write, zone, { actor, ...body }))
    },
    planPlacement({ body }) {
      return store.write(async (writer) => {
        const held = published.base()
        if (!held) return nothingPublished()
        return makePlacementPlan(writer, body, { planner, held, now: now() })
      })
    },
    async applyPlacement({ params, body, actor }) {
      const leader = tenure()
      if (!leader) throw new NotLeader('this replica is not at work yet; ask again')
      return leader.applyPlan(params.plan, { actor, ...body })
    },
  }
}
