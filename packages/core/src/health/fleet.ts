/**
 * The fleet's health, from its cells': which of them routers are told to avoid.
 *
 * When more than a share of the cells looks unhealthy at once, it is likelier that the monitor, or its network, is what
 * failed. Then nobody is taken out, and the verdict says so; routers still have their own eyes. (Monitors that lied
 * detached whole fleets at two peers: Karmada #5150, Neon #8060.)
 */
import type { HealthPolicy } from '@cellplane/contract/fleet-file'
import type { ProbeState } from './probes.ts'

export type FleetVerdict = {
  unhealthy: { slot: number; since: number; reason: string }[]
  isFrozen: boolean
  /** Why it is frozen; empty otherwise. */
  reason: string
}

/** `cells` are the active serving cells; the quarantine cell is judged apart, alone. */
export function judgeFleet(
  cells: readonly { slot: number; state: ProbeState }[],
  policy: Pick<HealthPolicy, 'freeze_share'>,
): FleetVerdict {
  const unhealthy = cells
    .filter(({ state }) => state.health === 'unhealthy')
    .map(({ slot, state }) => ({ slot, since: state.since, reason: state.reason }))
  if (unhealthy.length <= policy.freeze_share * cells.length)
    return { unhealthy, isFrozen: false, reason: '' }
  return {
    unhealthy: [],
    isFrozen: true,
    reason: `${unhealthy.length} of ${cells.length} cells look unhealthy, more than a share of ${policy.freeze_share}; the monitor is presumed wrong and nothing is taken out`,
  }
}
