/**
 * Who is in quarantine next, by who is now and what routers saw. Pure.
 *
 *     free ──(accused: errors or crashes)──▶ in quarantine ──(operator, or its time is up and it is quiet)──▶ released
 *      ▲ └──(an operator)───────────────────────▲                                                            │ │
 *      │                                        └──(accused again: for twice the time)───────────────────────┘ │
 *      └──(quiet for an hour)──────────────────────────────────────────────────────────────────────────────────┘
 *
 * Automation doubts itself. What a rule would put into quarantine must stay below a number, a share of the tenants and a
 * share of the traffic, together with whom automation has put there already. A rule that wants more is presumed wrong:
 * it is frozen, so it adds nobody until it wants less, and says so. What an operator does is not counted and never frozen.
 */
import { type Accusation, type AutomaticRule, accuse, type RouterFigures, stillFailing } from './evidence.ts'
import { QUARANTINE_POLICY, type QuarantinePolicy } from './policy.ts'

export type Quarantine = {
  tenant: string
  rule: AutomaticRule | 'operator'
  reason: string
  since: number
  /** When it is let out on probation; null: when an operator does it. */
  until: number | null
  /** Null while it is in quarantine. Released ones are remembered for a while, so that evidence from before is known as such. */
  releasedAt: number | null
  /** Quarantines in a row. */
  times: number
  /** Of all attempts, when it was accused; 0 when an operator did it. */
  trafficShare: number
}

export type QuarantineChange = {
  tenant: string
  action: 'quarantine' | 'release'
  rule: Quarantine['rule']
  reason: string
}

export type QuarantinePlan = {
  /** By tenant, in no order: those that are in quarantine, and the released ones that are remembered. */
  quarantines: Quarantine[]
  changes: QuarantineChange[]
  /** Rules that would go beyond a limit, and by what. */
  frozen: { rule: AutomaticRule; reason: string }[]
}

export type QuarantineInput = {
  current: readonly Quarantine[]
  /** Of the routers that report. */
  routers: readonly RouterFigures[]
  /** Known tenants: registered, or seen. */
  tenantCount: number
  /** How long a quarantine by automation lasts; null: until an operator ends it. */
  probationMs: number | null
  now: number
  policy?: QuarantinePolicy
}

export function planQuarantines(input: QuarantineInput): QuarantinePlan {
  const { routers, now, policy = QUARANTINE_POLICY } = input
  const changes: QuarantineChange[] = []
  const failing = stillFailing(routers, policy)
  const next = new Map<string, Quarantine>()
  for (const one of input.current) {
    const due = one.releasedAt === null && one.until !== null && one.until <= now
    if (one.releasedAt !== null && now - one.releasedAt >= policy.memoryMs) continue
    if (due && !failing.has(one.tenant)) {
      next.set(one.tenant, { ...one, releasedAt: now, until: null })
      changes.push({
        tenant: one.tenant,
        action: 'release',
        rule: one.rule,
        reason: 'its time is over and it is quiet: on probation',
      })
    } else next.set(one.tenant, one)
  }

  const releasedAt = new Map(
    [...next.values()].flatMap((one) => (one.releasedAt === null ? [] : [[one.tenant, one.releasedAt]])),
  )
  const isFree = ({ tenant }: Accusation) => next.get(tenant)?.releasedAt !== null
  const crashesUntil = Math.max(
    Number.NEGATIVE_INFINITY,
    ...[...next.values()].flatMap(({ rule, since }) => (rule === 'crashes' ? since : [])),
  )
  const accused = accuse(routers, { releasedAt, crashesUntil }, policy, now).filter(isFree)
  const frozen: QuarantinePlan['frozen'] = []
  for (const rule of ['crashes', 'errors'] as const) {
    const own = accused.filter((one) => one.rule === rule)
    const inForce = [...next.values()].filter((one) => one.releasedAt === null && one.rule !== 'operator')
    const why = own.length === 0 ? null : beyondLimit(own, inForce, input.tenantCount, policy)
    if (why !== null) {
      frozen.push({ rule, reason: why })
      continue
    }
    for (const { tenant, reason, trafficShare } of own) {
      const times = Math.min((next.get(tenant)?.times ?? 0) + 1, policy.probationTimesMax)
      const until = input.probationMs === null ? null : now + input.probationMs * 2 ** (times - 1)
      next.set(tenant, { tenant, rule, reason, since: now, until, releasedAt: null, times, trafficShare })
      changes.push({ tenant, action: 'quarantine', rule, reason })
    }
  }
  return { quarantines: [...next.values()], changes, frozen }
}

/** Why these may not be put into quarantine beside those that are; null when they may. */
function beyondLimit(
  accused: readonly Accusation[],
  inForce: readonly Quarantine[],
  tenantCount: number,
  policy: QuarantinePolicy,
): string | null {
  const count = accused.length + inForce.length
  const traffic = [...accused, ...inForce].reduce((sum, one) => sum + one.trafficShare, 0)
  const countMax = Math.min(policy.tenantsMax, Math.max(1, Math.floor(policy.tenantsShareMax * tenantCount)))
  const names = accused
    .slice(0, 3)
    .map(({ tenant }) => `"${tenant}"`)
    .join(', ')
  const who = `${accused.length === 1 ? 'one tenant' : `${accused.length} tenants`} (${names}${accused.length > 3 ? ', …' : ''})`
  const doubt =
    'the rule is presumed wrong and adds nobody; look at them, and quarantine by hand whom you find guilty'
  if (count > countMax) {
    return `it would put ${who} into quarantine beside ${inForce.length}, and automation may hold ${countMax} of ${tenantCount} known tenants; ${doubt}`
  }
  if (traffic > policy.trafficShareMax) {
    return `with ${who} ${Math.round(traffic * 100)} % of all traffic would be in quarantine, and automation may hold ${policy.trafficShareMax * 100} %; ${doubt}`
  }
  return null
}

/** The record of a tenant that an operator put there. */
export function quarantineByOperator(
  known: Quarantine | undefined,
  tenant: string,
  reason: string,
  now: number,
): Quarantine {
  const times = known?.times ?? 0
  return {
    tenant,
    rule: 'operator',
    reason,
    since: now,
    until: null,
    releasedAt: null,
    times,
    trafficShare: 0,
  }
}

/** An operator's release also ends the row of quarantines: the next one begins with the shortest time. */
export function releaseByOperator(known: Quarantine, now: number): Quarantine {
  return { ...known, until: null, releasedAt: now, times: 0 }
}
