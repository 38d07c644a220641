/** A quarantine as the store keeps it, with times to be read by people, and as the planner has it. */
import type { Quarantine } from '@cellplane/core'
import type { StoredQuarantine } from '../store/collections.ts'

export function storedQuarantine(one: Quarantine): StoredQuarantine {
  return {
    tenant: one.tenant,
    rule: one.rule,
    reason: one.reason,
    since: iso(one.since),
    until: one.until === null ? null : iso(one.until),
    released_at: one.releasedAt === null ? null : iso(one.releasedAt),
    times: one.times,
    traffic_share: one.trafficShare,
  }
}

export function quarantineOf(stored: StoredQuarantine): Quarantine {
  const { tenant, rule, reason, times } = stored
  return {
    tenant,
    rule,
    reason,
    since: Date.parse(stored.since),
    until: stored.until === null ? null : Date.parse(stored.until),
    releasedAt: stored.released_at === null ? null : Date.parse(stored.released_at),
    times,
    trafficShare: stored.traffic_share,
  }
}

const iso = (ms: number): string => new Date(ms).toISOString()
