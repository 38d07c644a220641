/** A cell as the API shows it: the registry entry, what is seen of it, and why it does not advance. */
import type { Cell, CellView, TopologyOverlay } from '@cellplane/contract'
import type { Observations } from '../health/observations.ts'

export type Health = Pick<CellView, 'health' | 'health_reason'>

/** What this replica sees; where it sees nothing (it does not probe without the lease), what the overlay says. */
export function healthOf(
  slot: number,
  observations: Observations,
  overlay: TopologyOverlay | undefined,
): Health {
  const { verdict, reason } = observations.healthOf(slot)
  const mark = overlay?.unhealthy.find((one) => one.slot === slot)
  if (verdict === 'unknown' && mark) return { health: 'unhealthy', health_reason: mark.reason }
  return { health: verdict, health_reason: reason }
}

export function cellView(
  cell: Cell,
  observations: Observations,
  overlay: TopologyOverlay | undefined,
  whyWaiting: string | undefined,
): CellView {
  return {
    ...cell,
    ...healthOf(cell.slot, observations, overlay),
    holdings: observations.holdingsOf(cell),
    problem: problemOf(cell, observations, whyWaiting),
  }
}

function problemOf(cell: Cell, observations: Observations, whyWaiting: string | undefined): string | null {
  if (whyWaiting === undefined) return null
  const why = cell.state === 'provisioning' ? observations.whyNotServing(cell) : null
  return why === null ? whyWaiting : `${whyWaiting}: ${why}`
}
