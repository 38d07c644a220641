/**
 * What is replayed: the fleet, its load and the fault. The same for every proxy.
 *
 * Back of the envelope. An instance does 6 requests at a time in 200 ms: 30 a second, eight of them 240. 42 actions of
 * four calls are 168 a second, 70 % of that. Without one of the eight the others carry 80 %: enough. With the broken one
 * still in the rotation an action's try succeeds with (7/8)⁴ = 59 %, so that it takes 1.6 tries: 111 % of what seven can do.
 * The rates are low so that processors are no limit, also where other work runs beside it.
 */

/** One instance: what it can do, and what the broken code does to it. Its work is a sleep, so that no processor is the limit. */
export type ServicePlan = {
  /** Requests that it works on at once. */
  concurrency: number
  workMs: number
  /** Requests that may wait for a place; what comes beyond them is answered 503 at once. */
  waitingMax: number
  /** How long the broken code holds its place before it answers 500. */
  brokenWorkMs: number
}

/** One caller's action: some calls at once, all of which it needs. When one fails, the action is tried anew. */
export type CallerPlan = {
  callsPerAction: number
  /** The first try included: three is what the SDKs of the clouds do. */
  triesMax: number
  callTimeoutMs: number
  /** Before the second try, at most; twice as much before each further one. The wait is drawn between 0 and this. */
  backoffMs: number
}

export type Plan = {
  instances: number
  /** Index of the instance whose code breaks. */
  broken: number
  tenants: number
  actionsPerSecond: number
  service: ServicePlan
  caller: CallerPlan
  beforeMs: number
  faultMs: number
  afterMs: number
  seed: number
}

export const PLAN: Plan = {
  instances: 8,
  broken: 2,
  tenants: 200,
  actionsPerSecond: 42,
  service: { concurrency: 6, workMs: 200, waitingMax: 36, brokenWorkMs: 600 },
  caller: { callsPerAction: 4, triesMax: 3, callTimeoutMs: 1_000, backoffMs: 100 },
  beforeMs: 10_000,
  faultMs: 20_000,
  afterMs: 15_000,
  seed: 1,
}

/** The load as a share of what all instances can do. */
export function utilisation({ actionsPerSecond, caller, instances, service }: Plan): number {
  const capacity = (instances * service.concurrency * 1000) / service.workMs
  return (actionsPerSecond * caller.callsPerAction) / capacity
}

export const tenantNames = ({ tenants }: Plan): string[] =>
  Array.from({ length: tenants }, (_, i) => `tenant-${String(i).padStart(3, '0')}`)
