/**
 * The guide's opening story, replayed: the code of one instance answers 500 after it has held its place, its health check
 * answers 200, and the callers retry. The same load and the same fault, before one kind of proxy after the other.
 *
 * The load is open: customers go on coming. After the fault the instance is as good as before; what is seen then is what
 * the retries have left behind.
 */
import { setTimeout as delay } from 'node:timers/promises'
import { type Attempt, percentile } from '@cellplane/testing'
import type { LoadOrder, LoadReport } from './load/callers.main.ts'
import { type Second, secondsOf } from './load/series.ts'
import { type Plan, tenantNames } from './plan.ts'
import { startProcess } from './process.ts'
import { tenantsOfBroken } from './proxies/cells.ts'
import type { ProxyKind, RunningProxy } from './proxies/proxy.ts'
import type { SecondCount } from './service/instance.ts'
import { type Instances, startInstances } from './service/instances.ts'

/** Of some tenants: how many there are, how many had an action fail for good, and their actions. */
export type Seen = { tenants: number; tenantsFailed: number; actions: number; failures: number }

export type Replay = {
  proxy: string
  about: string
  seen: Seen
  /** Those who could meet the broken cell if the proxy kept them to their shards, and all others. */
  withBroken: Seen
  withoutBroken: Seen
  /** Failures by what the last try met. */
  reasons: Record<string, number>
  /** While the fault lasted. */
  okRatioInFault: number
  p99MsBefore: number
  p99MsInFault: number
  /** Of these, the tenants without the broken cell in their shard. */
  p99MsWithoutBroken: number
  /** Calls sent by callers to calls that their actions needed, in the fault. */
  amplificationInFault: number
  /** Requests that came in at instances to calls sent by callers, over the whole run: what the proxy itself adds. */
  attemptsPerCall: number
  /** Requests a second in the fault at the most loaded of the other instances, to what it can do. */
  mostLoadedOther: number
  /** Requests that the other instances turned away in the fault, because all their places were taken. */
  refusedByOthers: number
  /** From the fault's begin until the proxy took the instance out of its choice; null: it never did. */
  outAfterMs: number | null
  /** From the fault's begin until the last action began that failed; null: none did. */
  lastFailureAfterMs: number | null
  /** From the fault's end until the instance had half of the others' load again; null: not while it was looked at. */
  usedAgainAfterMs: number | null
  /** The longest time for which the callers' process did not run. The machine's doing: it makes a burst of what was due. */
  stallMs: number
  seconds: Second[]
}

/** Time for the callers to load their code. */
const START_IN_MS = 500
/** How often the proxy is asked whom it has taken out. */
const LOOK_EVERY_MS = 50

export async function replay(kind: ProxyKind, plan: Plan): Promise<Replay> {
  const instances = await startInstances(plan)
  const callers = startProcess(new URL('load/callers.main.ts', import.meta.url), [])
  let proxy: RunningProxy | undefined
  try {
    proxy = await kind.start(plan, instances.ports)
    const startedAtMs = Date.now() + START_IN_MS
    await instances.count(startedAtMs)
    const [load, { brokenAtMs, outAfterMs }] = await Promise.all([
      callers.ask<LoadReport>({ url: proxy.url, plan, startedAtMs } satisfies LoadOrder),
      breakAndMend(instances, proxy, plan, startedAtMs),
    ])
    const { actions, callsBySecond, stallMs } = load
    const counts = await instances.report()
    const records = {
      startedAtMs,
      actions,
      callsPerAction: plan.caller.callsPerAction,
      callsBySecond,
      counts,
      tenants: plan.tenants,
    }
    const arrived = counts.flat().reduce((sum, second) => sum + second.arrived, 0)
    const calls = callsBySecond.reduce((sum, n) => sum + n, 0)
    return {
      proxy: kind.name,
      about: kind.about,
      ...summaryOf(actions, plan, brokenAtMs),
      attemptsPerCall: arrived / calls,
      ...loadOfOthers(counts, plan),
      outAfterMs,
      stallMs,
      ...readOff(secondsOf(records, totalSeconds(plan)), plan),
    }
  } finally {
    await callers.stop()
    await proxy?.stop()
    await instances.stop()
  }
}

async function breakAndMend(
  instances: Instances,
  proxy: RunningProxy,
  { broken, beforeMs, faultMs }: Plan,
  startedAtMs: number,
): Promise<{ brokenAtMs: number; outAfterMs: number | null }> {
  await delay(startedAtMs + beforeMs - Date.now())
  await instances.setBroken(broken, true)
  const brokenAtMs = Date.now()
  let outAfterMs: number | null = null
  while (Date.now() - brokenAtMs < faultMs) {
    if (outAfterMs === null && (await proxy.takenOut()).includes(broken)) outAfterMs = Date.now() - brokenAtMs
    await delay(LOOK_EVERY_MS)
  }
  await instances.setBroken(broken, false)
  return { brokenAtMs, outAfterMs }
}

function summaryOf(actions: readonly Attempt[], plan: Plan, brokenAtMs: number) {
  const withBroken = tenantsOfBroken(plan)
  const failures = actions.filter(({ outcome }) => outcome !== 'ok')
  const before = actions.filter(({ startedAtMs }) => startedAtMs < brokenAtMs)
  const during = actions.filter(
    ({ startedAtMs }) => startedAtMs >= brokenAtMs && startedAtMs < brokenAtMs + plan.faultMs,
  )
  const lastFailure = failures.at(-1)
  const seenBy = (isMeant: (tenant: string) => boolean): Seen => {
    const own = failures.filter(({ tenant }) => isMeant(tenant))
    return {
      tenants: tenantNames(plan).filter(isMeant).length,
      tenantsFailed: new Set(own.map(({ tenant }) => tenant)).size,
      actions: actions.filter(({ tenant }) => isMeant(tenant)).length,
      failures: own.length,
    }
  }
  return {
    seen: seenBy(() => true),
    withBroken: seenBy((tenant) => withBroken.has(tenant)),
    withoutBroken: seenBy((tenant) => !withBroken.has(tenant)),
    reasons: countsOf(failures.map(({ outcome }) => outcome)),
    okRatioInFault: during.filter(({ outcome }) => outcome === 'ok').length / during.length,
    p99MsBefore: p99(before),
    p99MsInFault: p99(during),
    p99MsWithoutBroken: p99(during.filter(({ tenant }) => !withBroken.has(tenant))),
    lastFailureAfterMs: lastFailure ? lastFailure.startedAtMs - brokenAtMs : null,
  }
}

/** Whole seconds of the fault. */
function loadOfOthers(counts: readonly (readonly SecondCount[])[], plan: Plan) {
  const { concurrency, workMs } = plan.service
  const [from, to] = [Math.ceil(plan.beforeMs / 1000), faultEnd(plan)]
  const others = counts
    .filter((_, instance) => instance !== plan.broken)
    .map((seconds) => seconds.slice(from, to))
  const sum = (seconds: readonly SecondCount[], of: 'arrived' | 'refused') =>
    seconds.reduce((total, second) => total + second[of], 0)
  const perSecond = others.map((seconds) => sum(seconds, 'arrived') / (to - from))
  return {
    mostLoadedOther: Math.max(...perSecond) / ((concurrency * 1000) / workMs),
    refusedByOthers: others.reduce((total, seconds) => total + sum(seconds, 'refused'), 0),
  }
}

const faultEnd = ({ beforeMs, faultMs }: Plan) => Math.ceil((beforeMs + faultMs) / 1000)

/** What is read off the series: whole seconds of the fault, and of the time after it. */
function readOff(seconds: Second[], plan: Plan) {
  const end = faultEnd(plan)
  const own = seconds.slice(Math.ceil(plan.beforeMs / 1000), end)
  const needed = own.reduce((sum, { actions }) => sum + actions, 0)
  const sent = own.reduce((sum, { actions, amplification }) => sum + actions * (amplification ?? 0), 0)
  const usedAgain = seconds.slice(end).findIndex(({ arrived }) => {
    const others = arrived.filter((_, instance) => instance !== plan.broken)
    return arrived[plan.broken]! >= others.reduce((sum, n) => sum + n, 0) / others.length / 2
  })
  return {
    amplificationInFault: sent / needed,
    usedAgainAfterMs: usedAgain < 0 ? null : usedAgain * 1000,
    seconds,
  }
}

const totalSeconds = ({ beforeMs, faultMs, afterMs }: Plan) =>
  Math.ceil((beforeMs + faultMs + afterMs) / 1000)

const p99 = (actions: readonly Attempt[]) =>
  percentile(
    actions.map(({ durationMs }) => durationMs),
    0.99,
  )

function countsOf(words: readonly string[]): Record<string, number> {
  const counts: Record<string, number> = {}
  for (const word of words) counts[word] = (counts[word] ?? 0) + 1
  return counts
}
