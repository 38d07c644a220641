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
import {
  type CellHealth,
  type FleetVerdict,
  type Freeze,
  hasSettled,
  type JudgedCell,
  judgeFleet,
  type Operator,
} from '@cellplane/core'

export type Marks = TopologyOverlay['unhealthy']

export type OverlayPlan = { unhealthy: Marks } & Pick<FleetVerdict, 'freeze' | 'isTooMany'>

export type Judging = {
  fleet: Pick<FleetFile, 'health'>
  /** Whether the base that the overlay is going to name has that slot: consumers refuse a mark for one that it lacks. */
  isInBase: (slot: number) => boolean
  /** What is seen of a slot. */
  healthOf: (slot: number) => CellHealth
  /** Of the plan before. */
  freeze: Freeze
  operator: Operator
  /** By the clock of the healths. */
  now: number
}

/** The overlay's own limit. */
const REASON_LENGTH_MAX = 256

export function planOverlay(cells: readonly Cell[], current: Marks, judging: Judging): OverlayPlan {
  const { fleet, healthOf, operator, now } = judging
  const marked = new Map(current.map((mark) => [mark.slot, mark]))
  // A cell that became active is in no base yet while publishing is halted, or over the budget.
  const published = cells.filter(
    ({ slot, state }) => judging.isInBase(slot) && ['active', 'draining', 'drained'].includes(state),
  )
  const judged = published.map((cell) => ({
    cell,
    slot: cell.slot,
    isMarked: marked.has(cell.slot),
    health: remembered(healthOf(cell.slot), marked.get(cell.slot)),
  }))
  const isTogether = ({ cell }: { cell: Cell }) => cell.state === 'active' && cell.role === 'serving'
  const isOutAlone = (one: JudgedCell) =>
    operator === 'frozen' ? one.isMarked : one.health.verdict === 'unhealthy' && hasSettled(one, now)

  const verdict = judgeFleet(judged.filter(isTogether), judging.freeze, operator, fleet.health, now)
  const alone = judged.filter((one) => !isTogether(one) && isOutAlone(one)).map(({ slot }) => slot)
  const out = new Set([...verdict.out, ...alone])
  const unhealthy = judged
    .filter(({ slot }) => out.has(slot))
    .sort((a, b) => a.slot - b.slot)
    .map(
      ({ slot, health: { since, reason } }) =>
        // A mark keeps its first reason: routers need no news of the hundredth failed probe.
        marked.get(slot) ?? {
          slot,
          since: new Date(since).toISOString(),
          reason: reason.slice(0, REASON_LENGTH_MAX),
        },
    )
  return { unhealthy, freeze: verdict.freeze, isTooMany: verdict.isTooMany }
}

/** Whether routers have to hear of it. */
export function isSameMarks(a: Marks, b: Marks): boolean {
  return a.length === b.length && a.every((mark, i) => mark.slot === b[i]?.slot)
}

function remembered(health: CellHealth, mark: Marks[number] | undefined): CellHealth {
  if (health.verdict !== 'unknown' || !mark) return health
  const { since, reason } = mark
  return { ...health, verdict: 'unhealthy', ground: 'monitor', since: Date.parse(since), reason }
}
