/** What was seen, second by second. Pure: the records of a run in, figures out. */
import { type Attempt, percentile } from '@cellplane/testing'
import type { SecondCount } from '../service/instance.ts'

export type Second = {
  /** Actions begun in it. */
  actions: number
  /** Of these, in the end. Null when none was begun. */
  okRatio: number | null
  /** Share of all tenants of whom an action begun in it or before it failed, after all its tries. */
  tenantsFailedShare: number
  /** Calls sent to calls needed: 1 when nothing is tried twice. */
  amplification: number | null
  p50Ms: number | null
  p99Ms: number | null
  /** Requests that came in, by instance. */
  arrived: number[]
}

export type Records = {
  startedAtMs: number
  /** Actions, by the callers. */
  actions: readonly Attempt[]
  callsPerAction: number
  callsBySecond: readonly number[]
  /** By instance and second. */
  counts: readonly (readonly SecondCount[])[]
  tenants: number
}

export function secondsOf(records: Records, seconds: number): Second[] {
  const { startedAtMs, actions, callsPerAction, callsBySecond, counts, tenants } = records
  const begun: Attempt[][] = Array.from({ length: seconds }, () => [])
  const failedTenants = new Set<string>()
  for (const action of actions) begun[Math.floor((action.startedAtMs - startedAtMs) / 1000)]?.push(action)
  return begun.map((own, second) => {
    const failed = own.filter(({ outcome }) => outcome !== 'ok')
    for (const { tenant } of failed) failedTenants.add(tenant)
    const durations = own.map(({ durationMs }) => durationMs)
    const isEmpty = own.length === 0
    return {
      actions: own.length,
      okRatio: isEmpty ? null : (own.length - failed.length) / own.length,
      tenantsFailedShare: failedTenants.size / tenants,
      amplification: isEmpty ? null : (callsBySecond[second] ?? 0) / (own.length * callsPerAction),
      p50Ms: isEmpty ? null : percentile(durations, 0.5),
      p99Ms: isEmpty ? null : percentile(durations, 0.99),
      arrived: counts.map((instance) => instance[second]?.arrived ?? 0),
    }
  })
}
