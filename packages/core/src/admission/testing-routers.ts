/**
 * Routers in virtual time, for tests and benches of divided limits: each admits by a rate limit of its own, reports what
 * arrived once a second, each at its own moment of the second, and is answered with its share.
 */
import { BEYOND_RATE, rescaleDebt, takeToken } from '@cellplane/contract'
import { createLimitDivider } from './limit-divider.ts'

export type DividedTrial = {
  routers: number
  /** Of all routers together, requests a second. */
  limit: number
  seconds: number
  /** Requests a second that arrive at the router in this second. */
  perSecond(router: number, second: number): number
  /** Whether the router runs, and reports, in this second; by default always. */
  isUp?(router: number, second: number): boolean
  /** False: every router applies the whole limit. */
  isDivided?: boolean
  /** Draws from 0 to 1 make arrivals independent of each other; without them they come at even distances. */
  random?(): number
}

export type DividedOutcome = {
  /** What all routers let through, by second. */
  admitted: number[]
  /** What arrived at all of them, by second. */
  offered: number[]
  /** Each router's share at the end of each second. */
  shares: number[][]
}

type TrialRouter = { share: number; until: number; due: number; arrived: number; reportedAt: number }

/** The one subject of a trial. */
const SUBJECT = 'tenant'
const SECOND_MS = 1_000
/** A clock begins some time after 0. */
const START = 1_000_000

export function runDividedTrial(trial: DividedTrial): DividedOutcome {
  const { limit, seconds, random } = trial
  const isUp = trial.isUp ?? (() => true)
  const divider = createLimitDivider<string>(1)
  const routers = Array.from({ length: trial.routers }, (): TrialRouter => {
    return { share: 1, until: 0, due: 0, arrived: 0, reportedAt: START }
  })
  const outcome: DividedOutcome = { admitted: [], offered: [], shares: [] }

  function arrivalsIn(router: TrialRouter, rate: number): number {
    router.due += rate / SECOND_MS
    if (!random) {
      const whole = Math.floor(router.due + 1e-9)
      router.due -= whole
      return whole
    }
    router.due = 0
    let count = 0
    for (let draw = random(), left = Math.exp(-rate / SECOND_MS); draw > left; draw *= random()) count++
    return count
  }

  function report(index: number, now: number, second: number): void {
    const router = routers[index]!
    const counts = new Map(router.arrived > 0 ? [[SUBJECT, router.arrived]] : [])
    divider.record(String(index), { ms: now - router.reportedAt, counts })
    router.arrived = 0
    router.reportedAt = now
    const reporting = routers.map((_, i) => i).filter((i) => isUp(i, second))
    const division = divider.divide(reporting.map(String), (_, perSecond) => perSecond / limit)
    const share = division.get(SUBJECT)?.[reporting.indexOf(index)] ?? 1
    router.until = rescaleDebt(
      router.until,
      now,
      limit * router.share,
      limit * share,
      Math.max(1, limit * share),
    )
    router.share = share
  }

  for (let second = 0; second < seconds; second++) {
    let admitted = 0
    let offered = 0
    for (let ms = 0; ms < SECOND_MS; ms++) {
      const now = START + second * SECOND_MS + ms
      for (const [index, router] of routers.entries()) {
        if (!isUp(index, second)) continue
        const phase = Math.floor((index * SECOND_MS) / routers.length)
        if (trial.isDivided !== false && second > 0 && ms === phase) report(index, now, second)
        for (let left = arrivalsIn(router, trial.perSecond(index, second)); left > 0; left--) {
          offered++
          router.arrived++
          const rate = limit * router.share
          const until = takeToken(router.until, now, rate, Math.max(1, rate))
          if (until === BEYOND_RATE) continue
          router.until = until
          admitted++
        }
      }
    }
    outcome.admitted.push(admitted)
    outcome.offered.push(offered)
    outcome.shares.push(routers.map(({ share }) => share))
  }
  return outcome
}
