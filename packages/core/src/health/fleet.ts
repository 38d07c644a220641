/**
 * The fleet's health, from its cells': which of them routers are told to avoid.
 *
 * When more than a share of the cells looks unhealthy at once, it is likelier that the monitor, or its network, is what
 * failed. Then nothing is taken out, and the verdict says so; routers still have their own eyes. (Monitors that lied
 * detached whole fleets at two peers: Karmada #5150, Neon #8060.) Cells whose probes fail although requests succeed count
 * as well: they are never taken out themselves, but a monitor that is wrong of many is not believed of the others, of
 * which it alone speaks.
 *
 *     going on ──(too many look unhealthy, or an operator says so)──▶ frozen ──(not too many for a time)──▶ going on
 *
 * - **frozen by itself**: nothing new is taken out, and what only the monitor says is let go. A cell that requests had
 *   found before stays out, unless those too are more than the share: then it is something that all cells depend on.
 * - **frozen by an operator**: the marks stay as they are, until the operator thaws.
 * - **thawed by an operator**: the monitor is believed, until no more than the share looks unhealthy. Routers go on
 *   ignoring an overlay that marks more than their own share.
 */
import type { HealthPolicy } from '@cellplane/contract/fleet-file'
import { HEALTH } from './numbers.ts'
import type { CellHealth } from './verdict.ts'

export type JudgedCell = { slot: number; health: CellHealth; isMarked: boolean }

/** Null when automation goes on. `calmSince`: since when not too many look unhealthy any more. */
export type Freeze = {
  readonly since: number
  readonly calmSince: number | null
  readonly reason: string
} | null

export type Operator = 'frozen' | 'thawed' | null

export type FleetVerdict = {
  /** Slots that routers are to avoid. */
  out: number[]
  freeze: Freeze
  /** True when as many look unhealthy as freeze automation, even where an operator thawed it. */
  isTooMany: boolean
}

/** `cells` are the active serving cells; the quarantine cell is judged apart, alone. `now` by the clock of the healths. */
export function judgeFleet(
  cells: readonly JudgedCell[],
  before: Freeze,
  operator: Operator,
  policy: Pick<HealthPolicy, 'freeze_share'>,
  now: number,
): FleetVerdict {
  const countMax = policy.freeze_share * cells.length
  const unhealthy = cells.filter(({ health }) => health.verdict === 'unhealthy')
  const contradicted = cells.filter(({ health }) => health.ground === 'contradicted')
  const isTooMany = unhealthy.length + contradicted.length > countMax
  const freeze =
    operator === 'thawed'
      ? null
      : nextFreeze(before, isTooMany && describe(cells, unhealthy, contradicted, policy), now)
  const slotsOf = (some: readonly JudgedCell[]) => some.map(({ slot }) => slot)

  if (operator === 'frozen')
    return { out: slotsOf(cells.filter(({ isMarked }) => isMarked)), freeze, isTooMany }
  if (!freeze) return { out: slotsOf(unhealthy.filter((cell) => hasSettled(cell, now))), freeze, isTooMany }
  const seen = unhealthy.filter(({ health, isMarked }) => isMarked && health.ground === 'requests')
  return { out: seen.length > countMax ? [] : slotsOf(seen), freeze, isTooMany }
}

/** What the monitor alone says waits a moment, for all that it says at the same time. */
export function hasSettled({ health, isMarked }: Omit<JudgedCell, 'slot'>, now: number): boolean {
  return isMarked || health.ground !== 'monitor' || now - health.since >= HEALTH.settleMs
}

function nextFreeze(before: Freeze, reason: string | false, now: number): Freeze {
  if (reason !== false) return { since: before?.since ?? now, calmSince: null, reason }
  if (!before) return null
  const calmSince = before.calmSince ?? now
  return now - calmSince >= HEALTH.thawAfterMs ? null : { ...before, calmSince }
}

function describe(
  cells: readonly JudgedCell[],
  unhealthy: readonly JudgedCell[],
  contradicted: readonly JudgedCell[],
  { freeze_share: share }: Pick<HealthPolicy, 'freeze_share'>,
): string {
  const bad = unhealthy.length + contradicted.length
  const but =
    contradicted.length > 0
      ? `; at ${contradicted.length} of them a better witness than the probe says otherwise`
      : ''
  return `${bad} of ${cells.length} cells look unhealthy, more than a share of ${share}${but}; the monitor is presumed wrong and nothing is taken out`
}
