/**
 * Whose limits are divided, and how each division follows the arrivals that routers report.
 *
 *     report ──▶ rate by router and subject ──▶ near its limit? ──▶ division, if it differs enough from the last
 *
 * A subject is a tenant or a cell. **Only what comes near its limit is divided.** For all others the whole limit holds at
 * every router, which is exact for them, since they do not reach it, and refuses nobody whose requests begin to come by
 * another router. It also bounds the work: of any number of tenants few are near their caps.
 *
 * **Why it stands still under a constant load.** Rates are smoothed over about two seconds, and a division is replaced as
 * a whole when it differs enough, so that chance hardly moves it and no two rounds are mixed. What is measured does not
 * depend on what was divided, so nothing can swing.
 */
import { divideLimit, WHOLE_UP_TO } from './shares.ts'

/** What is left of a former rate after a second: after a move, 3 % of the old place is left in five. */
const KEPT_PER_SECOND = 0.5
/** Requests a second. Less is forgotten; a caller of one a second is for the next six. */
const RATE_MIN = 0.01

/** A division stays while no share in it is off by more than this, in even shares. So what it loses of a limit is less. */
const TOLERATED = 0.05

export type Arrivals<Subject> = {
  /** The time in which they arrived. */
  ms: number
  /** Requests by subject, let through or not. */
  counts: ReadonlyMap<Subject, number>
}

/** Shares by router, in the order of the routers that were asked for. */
export type Division<Subject> = ReadonlyMap<Subject, readonly number[]>

export type LimitDivider<Subject> = {
  /** Tells what arrived at a router since it was last told. Subjects that are not named had nothing. */
  record(router: string, arrivals: Arrivals<Subject>): void
  /**
   * Divides between these routers, and forgets all others. `loadOf` is what arrives at all of them, requests a second, over the subject's limit;
   * undefined when it has none. At most `subjectsMax` subjects are divided, those with the highest load.
   */
  divide(
    routers: readonly string[],
    loadOf: (subject: Subject, perSecond: number) => number | undefined,
  ): Division<Subject>
}

type Held = { routers: readonly string[]; shares: readonly number[] }

export function createLimitDivider<Subject>(subjectsMax: number): LimitDivider<Subject> {
  /** Requests a second, by router and subject. */
  const rates = new Map<string, Map<Subject, number>>()
  let held = new Map<Subject, Held>()

  function totals(routers: readonly string[]): Map<Subject, number> {
    const sums = new Map<Subject, number>()
    for (const router of routers) {
      for (const [subject, rate] of rates.get(router) ?? [])
        sums.set(subject, (sums.get(subject) ?? 0) + rate)
    }
    return sums
  }

  return {
    record(router, { ms, counts }) {
      const known = rates.get(router)
      if (!known) {
        const first = [...counts].map(([subject, count]) => [subject, (count * 1000) / ms] as const)
        rates.set(router, new Map(first))
        return
      }
      const kept = KEPT_PER_SECOND ** (ms / 1000)
      for (const [subject, rate] of known) {
        const next = rate * kept
        if (next >= RATE_MIN || counts.has(subject)) known.set(subject, next)
        else known.delete(subject)
      }
      for (const [subject, count] of counts) {
        known.set(subject, (known.get(subject) ?? 0) + ((count * 1000) / ms) * (1 - kept))
      }
    },
    divide(routers, loadOf) {
      const gone = new Set(rates.keys()).difference(new Set(routers))
      for (const router of gone) rates.delete(router)
      const near: { subject: Subject; load: number }[] = []
      for (const [subject, perSecond] of totals(routers)) {
        const load = loadOf(subject, perSecond)
        if (load !== undefined && load > WHOLE_UP_TO) near.push({ subject, load })
      }
      if (near.length > subjectsMax) {
        near.sort((a, b) => b.load - a.load)
        near.length = subjectsMax
      }
      const next = new Map<Subject, Held>()
      for (const { subject, load } of near) {
        const arrivals = routers.map((router) => rates.get(router)?.get(subject) ?? 0)
        next.set(subject, settle(held.get(subject), { routers, shares: divideLimit(arrivals, load) }))
      }
      held = next
      return new Map([...held].map(([subject, { shares }]) => [subject, shares]))
    },
  }
}

function settle(before: Held | undefined, after: Held): Held {
  if (!before || !isSame(before.routers, after.routers)) return after
  const tolerated = TOLERATED / after.routers.length
  const isClose = after.shares.every((share, i) => Math.abs(share - before.shares[i]!) <= tolerated)
  return isClose ? before : after
}

function isSame(a: readonly string[], b: readonly string[]): boolean {
  return a.length === b.length && a.every((router, i) => router === b[i])
}
