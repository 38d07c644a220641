/**
 * What routers' requests say of a cell, over the last seconds: the strongest witness, because it is what callers get.
 *
 *     few ──(≥ 20 attempts, at most 25 % failed)──▶ ok ◀──(at most 25 %)──┐
 *      │                                             └──(≥ 50 % failed)──▶ failing
 *      └──(≥ 20 attempts, ≥ 50 % failed; or ejected by routers)──▶ failing
 *     either of them ──(fewer than 10 attempts in the window)──▶ few
 *
 * Routers that see a cell fail stop asking it, long before control has 20 failures; that they did is counted too, by the
 * share of reports that say `is_ejected`.
 *
 * Errors that follow a tenant are the tenant's: of a cell's errors, one tenant's count no more than all others'
 * together, and the rest of them are left out as if they had not been sent. A connection that fails is the cell's,
 * whoever asked for it.
 */
import { HEALTH } from './numbers.ts'
import type { SuccessRate } from './success-rate.ts'

/** Sums over `HEALTH.windowMs`, of all routers. */
export type RequestWindow = {
  attempts: number
  /** Answers of 5xx, and attempts that broke; without failed connections. */
  errors: number
  /** Of `errors`, how many one tenant's were; 0 where nobody knows. */
  errorsOfOneTenant: number
  connectFailures: number
  /** Reports that named the cell, and those that said that it is ejected. */
  reports: number
  ejectedReports: number
  /** Answers by duration: one count for each bound, one for what took longer. */
  durations: readonly number[]
}

export type RequestsSignal = 'ok' | 'failing' | 'few'

export const NO_REQUESTS: RequestWindow = {
  attempts: 0,
  errors: 0,
  errorsOfOneTenant: 0,
  connectFailures: 0,
  reports: 0,
  ejectedReports: 0,
  durations: [],
}

/** What counts of a window: attempts without what is one tenant's own trouble, and the share of them that succeeded. */
export function countedOutcomes(window: RequestWindow): SuccessRate {
  const others = Math.max(0, window.errors - window.errorsOfOneTenant)
  const errors = Math.min(window.errors, 2 * others)
  const volume = Math.max(0, window.attempts - (window.errors - errors))
  const failed = Math.min(volume, errors + window.connectFailures)
  return { volume, ratio: volume === 0 ? 1 : (volume - failed) / volume }
}

export function nextRequestsSignal(before: RequestsSignal, window: RequestWindow): RequestsSignal {
  if (isEjectedByRouters(window)) return 'failing'
  const { volume, ratio } = countedOutcomes(window)
  if (volume < (before === 'few' ? HEALTH.attemptsMin : HEALTH.attemptsToStayMin)) return 'few'
  const failedShare = 1 - ratio
  if (failedShare >= HEALTH.failedShareMin) return 'failing'
  return failedShare <= HEALTH.failedShareWellMax ? 'ok' : before
}

export function isEjectedByRouters({ reports, ejectedReports }: RequestWindow): boolean {
  return reports >= HEALTH.reportsMin && ejectedReports > HEALTH.ejectedShareMin * reports
}

/** In words, for whoever reads the status. */
export function describeRequests(window: RequestWindow): string {
  const seconds = HEALTH.windowMs / 1000
  const { volume, ratio } = countedOutcomes(window)
  if (isEjectedByRouters(window)) {
    return `routers took it out in ${window.ejectedReports} of ${window.reports} reports within ${seconds} s`
  }
  return `routers saw ${Math.round((1 - ratio) * volume)} of ${Math.round(volume)} requests fail within ${seconds} s`
}
