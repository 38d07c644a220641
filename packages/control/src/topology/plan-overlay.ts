/**
 * What the next overlay is to say. Pure.
 *
 * It marks what is known to be unhealthy. What is unknown keeps the mark that it has: a control plane that has just come
 * back knows nothing yet, and that is no reason to change anything. The active serving cells are judged together, so that
 * a monitor that calls most of them dead is not believed; the others (the quarantine cell, cells that are leaving) each by
 * themselves, since routers only use them where there is no choice.
 */
import type { Cell, TopologyOverlay } from '@cellplane/contract'
import type { FleetFile } from '@cellplane/contract/fleet-file'
import { judgeFleet, type ProbeState } from '@cellplane/core'

export type Marks = TopologyOverlay['unhealthy']
export type OverlayPlan = { unhealthy: Marks; isFrozen: boolean; reason: string }

/** The overlay's own limit. */
const REASON_LENGTH_MAX = 256

/** `stateOf` is what probes and routers saw of a slot. */
export function planOverlay(
  cells: readonly Cell[],
  stateOf: (slot: number) => ProbeState,
  current: Marks,
  fleet: FleetFile,
): OverlayPlan {
  const marked = new Map(current.map((mark) => [mark.slot, mark]))
  const published = cells.filter((cell) => ['active', 'draining', 'drained'].includes(cell.state))
  const seen = published.map((cell) => ({
    cell,
    slot: cell.slot,
    state: remembered(stateOf(cell.slot), marked.get(cell.slot)),
  }))
  const isJudged = ({ cell }: { cell: Cell }) => cell.state === 'active' && cell.role === 'serving'

  const verdict = judgeFleet(seen.filter(isJudged), fleet.health)
  const others = seen
    .filter((one) => !isJudged(one) && one.state.health === 'unhealthy')
    .map(({ slot, state }) => ({ slot, since: state.since, reason: state.reason }))
  const unhealthy = [...verdict.unhealthy, ...others]
    .sort((a, b) => a.slot - b.slot)
    .map(
      ({ slot, since, reason }) =>
        // A mark keeps its first reason: routers need no news of the hundredth failed probe.
        marked.get(slot) ?? {
          slot,
          since: new Date(since).toISOString(),
          reason: reason.slice(0, REASON_LENGTH_MAX),
        },
    )
  return { unhealthy, isFrozen: verdict.isFrozen, reason: verdict.reason }
}

/** Whether routers have to hear of it. */
export function isSameMarks(a: Marks, b: Marks): boolean {
  return a.length === b.length && a.every((mark, i) => mark.slot === b[i]?.slot)
}

function remembered(state: ProbeState, mark: Marks[number] | undefined): ProbeState {
  if (state.health !== 'unknown' || !mark) return state
  return { ...state, health: 'unhealthy', since: Date.parse(mark.since), reason: mark.reason }
}
