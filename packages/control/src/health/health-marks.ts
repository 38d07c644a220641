/**
 * The health marks of the next overlay, with what has to be remembered for them: whether automation is frozen, and what an
 * operator said of that. One of these lives as long as a tenure.
 *
 * What was found marked at its begin stays marked for a while: a control plane that has just come knows nothing, and
 * its return must change nothing that was fine.
 */
import type { Cell } from '@cellplane/contract'
import type { FleetFile } from '@cellplane/contract/fleet-file'
import { type Freeze, TOPOLOGY_TTL_SECONDS } from '@cellplane/core'
import type { Automation } from '../leader/automation.ts'
import { AUTOMATION_ORDER, AUTOMATION_ORDER_KEY, type AutomationOrder } from '../store/collections.ts'
import type { Store } from '../store/store.ts'
import { type Marks, planOverlay } from '../topology/plan-overlay.ts'
import type { HeldBase, HeldOverlay } from '../topology/published.ts'
import type { Observations } from './observations.ts'

/**
 * An operator's thaw of an automatic freeze holds for at least so long, so that one calm moment of a monitor that comes
 * and goes does not use it up.
 */
const THAW_HOLDS_MS = 60_000

export type HealthMarksOptions = {
  fleet: FleetFile
  store: Pick<Store, 'get' | 'write'>
  observations: Pick<Observations, 'healthOf' | 'inheritMark' | 'steadyNow'>
  automation: Pick<Automation, 'report'>
  /** The wall clock's: by it orders are given, and overlays issued. */
  now: () => number
}

type Refined = { snapshot: Pick<HeldBase['snapshot'], 'indexOfSlot'> }
type Current = Pick<HeldOverlay, 'overlay' | 'issuedAt'> | null

export type HealthMarks = ReturnType<typeof createHealthMarks>

export function createHealthMarks({ fleet, store, observations, automation, now }: HealthMarksOptions) {
  let freeze: Freeze = null

  /** Routers dropped the marks of an overlay that is older than its time; they must not come back with us. */
  function marksInForce(overlay: Current): Marks {
    const isOver = !overlay || now() - Date.parse(overlay.issuedAt) > TOPOLOGY_TTL_SECONDS * 1000
    return isOver ? [] : overlay.overlay.unhealthy
  }

  return {
    /** What is published when the tenure begins. */
    inherit(overlay: Current): void {
      for (const { slot, since, reason } of marksInForce(overlay)) {
        observations.inheritMark(slot, { since: Date.parse(since), reason })
      }
    },
    /** What the next overlay is to mark. `base`: the one that it is going to name. `overlay`: the last one. */
    async plan(cells: readonly Cell[], base: Refined, overlay: Current): Promise<Marks> {
      const order = await store.get(AUTOMATION_ORDER, AUTOMATION_ORDER_KEY)
      const plan = planOverlay(cells, marksInForce(overlay), {
        fleet,
        isInBase: (slot) => base.snapshot.indexOfSlot(slot) >= 0,
        healthOf: observations.healthOf,
        freeze,
        operator: order?.mode ?? null,
        now: observations.steadyNow(),
      })
      freeze = plan.freeze
      automation.report('operator', order?.mode === 'frozen' ? describeOrder(order) : null, 'freeze')
      automation.report('health', freeze?.reason ?? null, 'freeze')
      if (order?.mode === 'thawed' && !plan.isTooMany && now() - Date.parse(order.at) >= THAW_HOLDS_MS) {
        await store.write(async (writer) => {
          // What an operator ordered since it was read stays.
          const latest = await writer.get(AUTOMATION_ORDER, AUTOMATION_ORDER_KEY)
          if (latest?.mode !== order.mode || latest.at !== order.at) return
          await writer.remove(AUTOMATION_ORDER, AUTOMATION_ORDER_KEY)
        })
      }
      return plan.unhealthy
    },
  }
}

function describeOrder({ actor, at, reason }: AutomationOrder): string {
  return `frozen by ${actor} at ${at}: ${reason}; health marks stay as they are until \`cellplane automation thaw\``
}
