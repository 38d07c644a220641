/**
 * The check of a change over the tenants that are known and their traffic: the control plane's part, since routers do not
 * have the figures. It sees what tables do not tell: pins that gather on one cell, and one tenant that is half of the traffic.
 *
 * Tenants in quarantine are no part of it: the overlay moves them and not the base, and what plans them keeps their share.
 */
import type { Budget, Override } from '@cellplane/contract'
import type { Impact } from '@cellplane/contract/api'
import { startTally } from '../blast-radius/blast-radius.ts'
import { type Excess, isOver, percent } from './budget.ts'
import { limitWithChance } from './chance.ts'
import { activeCells, type CheckedBase, isWorse, limitOf } from './check-tables.ts'
import { type Ideal, idealOf } from './ideal.ts'
import { measureMovement } from './movement.ts'
import type { TenantFigures } from './tenant-figures.ts'

export type CheckedPlan = CheckedBase & { overrides: readonly Override[] }

/** Tenants that a message names. */
const NAMED_MAX = 5

export function checkTenants(
  before: CheckedPlan,
  after: CheckedPlan,
  tenants: TenantFigures,
  budget: Budget,
): Excess[] {
  if (tenants.count === 0) return []
  return [
    ...checkMovedTenants(before, after, tenants, budget),
    ...checkImpacts(before, after, tenants, budget),
  ]
}

/** A tenant has moved when its home is another one. */
function checkMovedTenants(
  before: CheckedPlan,
  after: CheckedPlan,
  tenants: TenantFigures,
  budget: Budget,
): Excess[] {
  const [old, now] = [homesOf(before), homesOf(after)]
  const movedNames = [...tenants.named].flatMap(([name, { bucket }]) =>
    old(name, bucket) === now(name, bucket) ? [] : [name],
  )
  let moved = movedNames.length
  for (let bucket = 0; bucket < after.buckets; bucket++) {
    const count = tenants.bucketTenants[bucket]!
    if (count > 0 && old(undefined, bucket) !== now(undefined, bucket)) moved += count
  }
  const value = moved / tenants.count
  const needed = measureMovement(before, after).homesNeeded
  const limit = limitWithChance(Math.min(1, needed + budget.moved_homes_share), tenants.tenantDraw)
  if (!isOver(value, limit)) return []
  const message = `${moved} of ${tenants.count} tenants get another home (${percent(value)}${naming(movedNames)}); the change needs ${percent(needed)}, and the budget allows ${percent(budget.moved_homes_share)} beyond that`
  return [{ budget: 'moved_homes_share', value, limit, cells: [], message }]
}

/** (tenant, bucket) → slot of the home. */
function homesOf(plan: CheckedPlan): (tenant: string | undefined, bucket: number) => number {
  const overridden = new Map(plan.overrides.map(({ tenant, cells }) => [tenant, cells[0]!]))
  return (tenant, bucket) =>
    (tenant === undefined ? undefined : overridden.get(tenant)) ??
    plan.cells[plan.rows[bucket * plan.shardSize]!]!.slot
}

function checkImpacts(
  before: CheckedPlan,
  after: CheckedPlan,
  tenants: TenantFigures,
  budget: Budget,
): Excess[] {
  const ideal = idealOf(activeCells(after), after)
  if (!ideal) return []
  const formerIdeal = idealOf(activeCells(before), before)
  const [old, now] = [impactsOf(before, tenants), impactsOf(after, tenants)]
  const pairIdeal = (of: Ideal | null, alone: number) =>
    of === null ? 0 : of.pairLostAlone * alone + of.pairLost * (1 - alone)
  const excesses: Excess[] = []
  for (const [measure, draw, what] of [
    ['tenants', tenants.tenantDraw, `${tenants.count} tenants`],
    ['traffic', tenants.requestDraw, 'all traffic'],
  ] as const) {
    if (measure === 'traffic' && tenants.requests === 0) continue
    const touched = `${measure}_touched` as const
    const lost = `${measure}_lost` as const
    for (const impact of now.cells) {
      const id = impact.cells[0]!
      const share = now.idealOf(id, ideal)
      const standing = {
        value: impact[touched],
        limit: limitOf(share, budget.cell_factor, draw),
        formerValue: old.cells.find((one) => one.cells[0] === id)?.[touched] ?? 0,
        formerLimit: formerIdeal ? limitOf(old.idealOf(id, formerIdeal), budget.cell_factor, draw) : 0,
      }
      if (!isWorse(standing)) continue
      const message = `cell "${id}" would be touched by ${percent(standing.value)} of ${what}; the budget allows ${percent(standing.limit)} (${budget.cell_factor} × its ideal of ${percent(share)}, and what chance may add); spread them over more cells`
      excesses.push({
        budget: 'cell_factor',
        value: standing.value,
        limit: standing.limit,
        cells: [id],
        message,
      })
    }
    const pair = now.worstPair(lost)
    if (!pair) continue
    const share = pairIdeal(ideal, now.alone)
    const standing = {
      value: pair[lost],
      limit: limitOf(share, budget.pair_factor, draw),
      formerValue: old.worstPair(lost)?.[lost] ?? 0,
      formerLimit: limitOf(pairIdeal(formerIdeal, old.alone), budget.pair_factor, draw),
    }
    if (!isWorse(standing)) continue
    const { cells } = pair
    const message = `cells ${cells.join(' and ')} would be all that ${percent(standing.value)} of ${what} have; the budget allows ${percent(standing.limit)} (${budget.pair_factor} × the ideal of ${percent(share)}, and what chance may add)`
    excesses.push({ budget: 'pair_factor', value: standing.value, limit: standing.limit, cells, message })
  }
  return excesses
}

type Impacts = {
  cells: Impact[]
  worstPair(by: 'tenants_lost' | 'traffic_lost'): Impact | null
  /** Share of the tenants whose shard is one cell, which is all of them in a stateful fleet. */
  alone: number
  idealOf(id: string, ideal: Ideal): number
}

function impactsOf(plan: CheckedPlan, tenants: TenantFigures): Impacts {
  const { cells, rows, shardSize } = plan
  const tally = startTally({ cells })
  const slotsOf = (bucket: number) =>
    Array.from(rows.subarray(bucket * shardSize, (bucket + 1) * shardSize), (cell) => cells[cell]!.slot)
  for (let bucket = 0; bucket < plan.buckets; bucket++) {
    const count = tenants.bucketTenants[bucket]!
    if (count > 0) tally.add(slotsOf(bucket), tenants.bucketRequests[bucket]!, count)
  }
  const overridden = new Map(plan.overrides.map((override) => [override.tenant, override.cells]))
  let single = 0
  for (const [name, { bucket, requests }] of tenants.named) {
    const slots = overridden.get(name) ?? slotsOf(bucket)
    if (slots.length === 1) single++
    tally.add(slots, requests)
  }
  if (shardSize === 1) single = tenants.count
  const pairs = tally.pairImpacts()
  const slotOfId = new Map(cells.map(({ id, slot }) => [id, slot]))
  return {
    cells: cells.map((_, cell) => tally.impactOf([cell])),
    worstPair: (by) =>
      pairs.reduce<Impact | null>((most, next) => (most === null || next[by] > most[by] ? next : most), null),
    alone: single / tenants.count,
    idealOf: (id, ideal) => ideal.cellTouched.get(slotOfId.get(id) ?? -1) ?? 0,
  }
}

function naming(names: readonly string[]): string {
  if (names.length === 0) return ''
  const more = names.length > NAMED_MAX ? ' and others' : ''
  return `; by name ${names.slice(0, NAMED_MAX).join(', ')}${more}`
}
