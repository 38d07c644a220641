/**
 * A tenant whose requests crash the process that serves them, and later one whose requests are answered 500, beside tenants
 * that do nothing wrong. The same load before one kind of ground after the other; who is hit, and for how long?
 *
 * The load is open: nobody slows down because the service does, and neither bad tenant ever stops.
 */
import { Agent, get } from 'node:http'
import { setTimeout as delay } from 'node:timers/promises'
import { type Attempt, runLoad } from '@cellplane/testing'
import type { Crash, GroundKind, RunningGround } from './grounds/ground.ts'
import { FAILING, type Plan, POISON, TENANT_HEADER, tenantNames, totalMs } from './plan.ts'

export type Replay = {
  ground: string
  about: string
  /** Crashes of serving cells, and how many different ones. */
  crashes: number
  cellsCrashed: number
  /** From the first poisonous request until the last crash of a serving cell. */
  lastCrashAfterMs: number | null
  /** Good tenants' requests since the first poisonous one. */
  good: { requests: number; failures: number; tenants: number; tenantsFailed: number }
  /** From the first poisonous request until the last request of a good tenant began that failed. */
  lastFailureAfterMs: number | null
  poison: Containment
  failing: Containment & {
    /** Cells that were out at some time after it began, and that nobody had crashed. */
    cellsOut: string[]
    /** Good tenants' failures since it began. */
    goodFailures: number
  }
  seconds: Second[]
}

/** From the moment at which the threshold was crossed: the second crash, the twentieth error. Null: never. */
export type Containment = { thresholdAfterMs: number | null; quarantinedAfterMs: number | null }

/** Of good tenants, by second. */
export type Second = { requests: number; failures: number; tenantsFailedShare: number; crashes: number }

const LOOK_EVERY_MS = 100
/** Errors by which a tenant is accused: `errorsMin` of docs/quarantine.md. */
const ERRORS_OF_THRESHOLD = 20

export async function replay(kind: GroundKind, plan: Plan): Promise<Replay> {
  const ground = await kind.start(plan)
  try {
    const startedAt = Date.now()
    const poisonAt = startedAt + plan.beforeMs
    const failingAt = poisonAt + plan.poisonMs
    const endsAt = startedAt + totalMs(plan)
    const ending = new AbortController()
    const send = createCaller(ground.url, plan)
    const bad = async (tenant: string, fromMs: number) => {
      await delay(fromMs - Date.now())
      return await runLoad({
        requestsPerSecond: plan.badRequestsPerSecond,
        durationMs: endsAt - fromMs,
        tenants: [{ id: tenant, weight: 1 }],
        seed: plan.seed,
        send,
      })
    }
    const watching = watch(ground, ending.signal)
    const [good, , failing] = await Promise.all([
      runLoad({
        requestsPerSecond: plan.requestsPerSecond,
        durationMs: totalMs(plan),
        tenants: tenantNames(plan).map((id) => ({ id, weight: 1 })),
        seed: plan.seed,
        send,
      }),
      bad(POISON, poisonAt),
      bad(FAILING, failingAt),
    ])
    ending.abort()
    const { quarantinedAt, out } = await watching
    const crashes = [...ground.crashes()].sort((a, b) => a.at - b.at)
    const after = (at: number | undefined, from: number | undefined) =>
      at === undefined || from === undefined ? null : at - from
    const failed = good.filter(({ outcome }) => outcome !== 'ok')
    const since = (attempts: readonly Attempt[], from: number) =>
      attempts.filter(({ startedAtMs }) => startedAtMs >= from)
    const goodFailed = since(failed, poisonAt)
    const containment = (tenant: string, threshold: number | undefined, from: number): Containment => ({
      thresholdAfterMs: after(threshold, from),
      quarantinedAfterMs: after(quarantinedAt.get(tenant), threshold),
    })
    return {
      ground: kind.name,
      about: kind.about,
      crashes: crashes.length,
      cellsCrashed: new Set(crashes.map(({ cell }) => cell)).size,
      lastCrashAfterMs: after(crashes.at(-1)?.at, poisonAt),
      good: {
        requests: since(good, poisonAt).length,
        failures: goodFailed.length,
        tenants: plan.tenants,
        tenantsFailed: new Set(goodFailed.map(({ tenant }) => tenant)).size,
      },
      lastFailureAfterMs: after(goodFailed.at(-1)?.startedAtMs, poisonAt),
      poison: containment(POISON, crashes[1]?.at, poisonAt),
      failing: {
        ...containment(FAILING, errorTime(failing), failingAt),
        cellsOut: cellsOutByErrors(out, crashes, failingAt),
        goodFailures: since(failed, failingAt).length,
      },
      seconds: secondsOf(good, crashes, startedAt, plan),
    }
  } finally {
    await ground.stop()
  }
}

function createCaller(url: string, plan: Plan) {
  const agent = new Agent({ keepAlive: true, maxSockets: 1024 })
  return (tenant: string) =>
    new Promise<{ operation: string; outcome: string }>((resolve) => {
      const done = (outcome: string) => {
        clearTimeout(timer)
        resolve({ operation: 'get', outcome })
      }
      const sent = get(url, { agent, headers: { [TENANT_HEADER]: tenant } }, (answer) => {
        answer.resume()
        answer.once('close', () => done(answer.statusCode === 200 ? 'ok' : String(answer.statusCode)))
      })
      const timer = setTimeout(() => sent.destroy(new Error('late')), plan.callTimeoutMs)
      sent.once('error', (error: NodeJS.ErrnoException) => done(error.code ?? error.message))
    })
}

/** When each tenant was first seen in quarantine, and which cells were out when. */
async function watch(ground: RunningGround, signal: AbortSignal) {
  const quarantinedAt = new Map<string, number>()
  const out: { cell: string; at: number }[] = []
  while (!signal.aborted) {
    for (const tenant of await ground.quarantined()) {
      if (!quarantinedAt.has(tenant)) quarantinedAt.set(tenant, Date.now())
    }
    for (const cell of await ground.takenOut()) out.push({ cell, at: Date.now() })
    await delay(LOOK_EVERY_MS)
  }
  return { quarantinedAt, out }
}

/** When the answer came that made them enough. */
function errorTime(attempts: readonly Attempt[]): number | undefined {
  return attempts
    .filter(({ outcome }) => outcome !== 'ok')
    .map(({ startedAtMs, durationMs }) => startedAtMs + durationMs)
    .sort((a, b) => a - b)[ERRORS_OF_THRESHOLD - 1]
}

function cellsOutByErrors(
  out: readonly { cell: string; at: number }[],
  crashes: readonly Crash[],
  from: number,
): string[] {
  const crashed = new Set(crashes.map(({ cell }) => cell))
  const cells = out.filter(({ cell, at }) => at >= from && !crashed.has(cell)).map(({ cell }) => cell)
  return [...new Set(cells)]
}

function secondsOf(
  good: readonly Attempt[],
  crashes: readonly Crash[],
  startedAt: number,
  plan: Plan,
): Second[] {
  const failedTenants = new Set<string>()
  const secondOf = (ms: number) => Math.floor((ms - startedAt) / 1000)
  return Array.from({ length: Math.ceil(totalMs(plan) / 1000) }, (_, second) => {
    const own = good.filter(({ startedAtMs }) => secondOf(startedAtMs) === second)
    const failed = own.filter(({ outcome }) => outcome !== 'ok')
    for (const { tenant } of failed) failedTenants.add(tenant)
    return {
      requests: own.length,
      failures: failed.length,
      tenantsFailedShare: failedTenants.size / plan.tenants,
      crashes: crashes.filter(({ at }) => secondOf(at) === second).length,
    }
  })
}
