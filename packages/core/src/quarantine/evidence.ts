/**
 * What all routers saw, put together: who is to blame. Pure.
 *
 * **Errors** are a tenant's own when it fails wherever it goes while others at the same cells do not. A cell that fails
 * everybody has many tenants with errors, and then none is accused here: health looks after the cell.
 *
 * **Crashes** are told by who was under way at several of them. One router knows only what it sent itself, and two of them
 * notice one crash twice; so crashes of one slot at one time are merged, and the rule by which a router judges (`leaderOf`)
 * judges all of them. So a router's own suspension is not believed blindly: the one whose requests did not include the
 * poisonous ones suspends whom it saw. Crashes before the last quarantine by this rule are explained by it: they accuse
 * nobody else later, when some router has forgotten its part of the story.
 */
import { leaderOf } from '../health/crash-suspects.ts'
import type { QuarantinePolicy } from './policy.ts'

/** Of one router: its window's figures. Times are in ms since the epoch. */
export type RouterFigures = {
  cells: { slot: number; attempts: number; errors: number }[]
  /** The tenants with the most errors. */
  failing: { tenant: string; attempts: number; errors: number; cells: { slot: number; errors: number }[] }[]
  /** Tenants with requests under way at crashes, and how long before the crash the last of them was sent. */
  charged: {
    tenant: string
    attempts: number
    isSuspended: boolean
    crashes: { slot: number; at: number; sentMsBefore: number }[]
  }[]
  /** The tenants whose requests took most time of cells. They are told, and accused of nothing. */
  costly: { tenant: string; attempts: number; ms: number; cells: { slot: number; ms: number }[] }[]
}

export type AutomaticRule = 'errors' | 'crashes'

export type Accusation = {
  tenant: string
  rule: AutomaticRule
  reason: string
  /** Its part of all attempts. */
  trafficShare: number
}

type Failing = { tenant: string; attempts: number; errors: number; bySlot: Map<number, number> }

/** What is no news any more. Times are in ms since the epoch. */
export type Settled = {
  /** By tenant: what was before its release does not count against it. */
  releasedAt: ReadonlyMap<string, number>
  /** Crashes up to then are explained. */
  crashesUntil: number
}

/** The worst first. */
export function accuse(
  routers: readonly RouterFigures[],
  settled: Settled,
  policy: QuarantinePolicy,
  now: number,
): Accusation[] {
  const releasedAt = (tenant: string) => settled.releasedAt.get(tenant) ?? Number.NEGATIVE_INFINITY
  const crashes = accuseByCrashes(
    routers,
    (tenant, at) => at > settled.crashesUntil && at > releasedAt(tenant) && now - at < policy.crashWindowMs,
    policy,
  )
  const byCrash = new Set(crashes.map(({ tenant }) => tenant))
  const errors = accuseByErrors(routers, policy).filter(
    ({ tenant }) => now - releasedAt(tenant) >= policy.settleMs && !byCrash.has(tenant),
  )
  return [...crashes, ...errors]
}

/** Tenants that fail too much to be let out, whatever else fails. */
export function stillFailing(routers: readonly RouterFigures[], policy: QuarantinePolicy): Set<string> {
  const failing = mergedFailing(routers).filter(
    ({ errors, attempts }) =>
      errors >= policy.errorsAtCellMin && errors >= attempts * policy.stillFailingShareMin,
  )
  return new Set(failing.map(({ tenant }) => tenant))
}

function accuseByErrors(routers: readonly RouterFigures[], policy: QuarantinePolicy): Accusation[] {
  const cells = mergedCells(routers)
  const total = totalAttempts(routers)
  return mergedFailing(routers)
    .filter(
      ({ errors, attempts }) => errors >= policy.errorsMin && errors >= attempts * policy.failedShareMin,
    )
    .filter((one) => followsTenant(one, cells, policy))
    .sort((a, b) => b.errors - a.errors)
    .map(({ tenant, attempts, errors, bySlot }) => ({
      tenant,
      rule: 'errors' as const,
      reason: `${errors} of its ${attempts} requests failed within 10 s, in ${bySlot.size} of its cells, and hardly any of other tenants there`,
      trafficShare: shareOf(attempts, total),
    }))
}

function followsTenant(
  { attempts, errors, bySlot }: Failing,
  cells: ReturnType<typeof mergedCells>,
  policy: QuarantinePolicy,
): boolean {
  const there = { attempts: 0, errors: 0 }
  for (const slot of bySlot.keys()) {
    there.attempts += cells.get(slot)?.attempts ?? 0
    there.errors += cells.get(slot)?.errors ?? 0
  }
  if (errors < there.errors * policy.cellErrorsShareMin) return false
  const others = { attempts: there.attempts - attempts, errors: Math.max(0, there.errors - errors) }
  if (others.attempts >= policy.othersAttemptsMin) {
    return others.errors <= others.attempts * policy.othersFailedShareMax
  }
  return [...bySlot.values()].filter((count) => count >= policy.errorsAtCellMin).length >= policy.cellsMin
}

function accuseByCrashes(
  routers: readonly RouterFigures[],
  isNews: (tenant: string, at: number) => boolean,
  policy: QuarantinePolicy,
): Accusation[] {
  const crashes = mergedCrashes(routers, isNews, policy)
  const accounts = new Map<string, { tenant: string; charges: { weight: number }[] }>()
  for (const tenants of crashes) {
    for (const [rank, tenant] of tenants.entries()) {
      const account = accounts.get(tenant) ?? { tenant, charges: [] }
      account.charges.push({ weight: 1 / (1 + rank) })
      accounts.set(tenant, account)
    }
  }
  const leaders = crashes.map((tenants) =>
    leaderOf(
      tenants.map((tenant) => accounts.get(tenant)!),
      policy,
    ),
  )
  const total = totalAttempts(routers)
  const all = routers.flatMap(({ charged }) => charged)
  return [...new Set(leaders)].flatMap((leader) => {
    if (!leader) return []
    const own = all.filter(({ tenant }) => tenant === leader.tenant)
    const isSuspended = own.some((one) => one.isSuspended)
    return {
      tenant: leader.tenant,
      rule: 'crashes' as const,
      reason: `its requests were under way at ${leader.charges.length} crashes of cells${isSuspended ? ', and a router suspended it' : ''}`,
      trafficShare: shareOf(
        own.reduce((sum, { attempts }) => sum + attempts, 0),
        total,
      ),
    }
  })
}

/** For each crash that is news, and may be a tenant's doing, the tenants under way at it, over all routers, the one that sent last first. */
function mergedCrashes(
  routers: readonly RouterFigures[],
  isNews: (tenant: string, at: number) => boolean,
  { sameCrashMs, cellsAtOnceMax }: QuarantinePolicy,
): string[][] {
  const all = routers
    .flatMap(({ charged }) => charged)
    .flatMap(({ tenant, crashes }) => crashes.map((crash) => ({ ...crash, tenant })))
    .sort((a, b) => a.slot - b.slot || a.at - b.at)
  const crashes: { slot: number; at: number; sent: Map<string, number> }[] = []
  for (const { tenant, slot, at, sentMsBefore } of all) {
    const last = crashes.at(-1)
    const isSame = last?.slot === slot && at - last.at <= sameCrashMs
    const crash = isSame ? last : { slot, at, sent: new Map<string, number>() }
    if (!isSame) crashes.push(crash)
    if (!isNews(tenant, crash.at)) continue
    crash.sent.set(tenant, Math.min(crash.sent.get(tenant) ?? sentMsBefore, sentMsBefore))
  }
  const cellsAtOnce = (at: number) =>
    new Set(crashes.filter((one) => Math.abs(one.at - at) <= sameCrashMs).map(({ slot }) => slot)).size
  const ofTenants = crashes.filter(({ at }) => cellsAtOnce(at) <= cellsAtOnceMax)
  return ofTenants.map(({ sent }) => [...sent].sort(([, a], [, b]) => a - b).map(([tenant]) => tenant))
}

function mergedFailing(routers: readonly RouterFigures[]): Failing[] {
  const all = new Map<string, Failing>()
  for (const { tenant, attempts, errors, cells } of routers.flatMap(({ failing }) => failing)) {
    const sum = all.get(tenant) ?? { tenant, attempts: 0, errors: 0, bySlot: new Map() }
    sum.attempts += attempts
    sum.errors += errors
    for (const cell of cells) sum.bySlot.set(cell.slot, (sum.bySlot.get(cell.slot) ?? 0) + cell.errors)
    all.set(tenant, sum)
  }
  return [...all.values()]
}

function mergedCells(routers: readonly RouterFigures[]): Map<number, { attempts: number; errors: number }> {
  const all = new Map<number, { attempts: number; errors: number }>()
  for (const { slot, attempts, errors } of routers.flatMap(({ cells }) => cells)) {
    const sum = all.get(slot)
    all.set(slot, { attempts: (sum?.attempts ?? 0) + attempts, errors: (sum?.errors ?? 0) + errors })
  }
  return all
}

const totalAttempts = (routers: readonly RouterFigures[]): number =>
  routers.flatMap(({ cells }) => cells).reduce((sum, { attempts }) => sum + attempts, 0)

const shareOf = (part: number, total: number): number => (total === 0 ? 0 : Math.min(1, part / total))
