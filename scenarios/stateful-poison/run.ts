/**
 * A tenant of a stateful fleet whose requests are answered 500. Its data is in its home, so it cannot be sent elsewhere: it
 * is throttled there, and only what any cell may serve goes to the quarantine cell. An operator lets it out again.
 *
 * The load is open: the tenant learns nothing from being refused.
 */
import { get } from 'node:http'
import { setTimeout as delay } from 'node:timers/promises'
import { HEADERS } from '@cellplane/contract'
import { freePortRange, runLoad, waitFor } from '@cellplane/testing'
import { startProcess } from '../gray-failure/process.ts'
import { type Planes, startPlanes } from '../planes.ts'
import { FAILING, TENANT_HEADER } from '../poison-tenant/plan.ts'

export type StatefulPlan = {
  /** Serving cells; one for quarantine comes with them. */
  cells: number
  /** Good tenants, alike. */
  tenants: number
  requestsPerSecond: number
  /** Of the tenant whose requests fail. */
  badRequestsPerSecond: number
  /** Declared, of each cell: a tenant's cap is a part of it. */
  cellRequestsPerSecond: number
  beforeMs: number
  throttledMs: number
  seed: number
}

export type StatefulResult = {
  good: { requests: number; failures: number }
  /** Until the tenant is in quarantine, from its first request. */
  quarantinedAfterMs: number
  mode: string
  /** Of the bad tenant's requests while it was throttled. */
  throttled: { requests: number; letThrough: number; refused: number; ms: number }
  /** The cells that answered its requests of a route which any cell may serve. */
  anyRouteCells: string[]
  /** Of ten requests after its release, those that were refused. */
  refusedAfterRelease: number
}

const CELL = new URL('../poison-tenant/service/cell.main.ts', import.meta.url)
const ANY_ROUTE = '/static/logo'
const ASKED = 10
const ASK_EVERY_MS = 100
const WAIT_MS = 30_000
/** Longer than it takes; the loads are ended. */
const LOAD_MS_MAX = 120_000
/** Between the overlay's version and what both routers let through. */
const SETTLE_MS = 1_000

export async function throttleAtHome(plan: StatefulPlan): Promise<StatefulResult> {
  const first = await freePortRange(plan.cells + 1)
  const ports = Array.from({ length: plan.cells + 1 }, (_, i) => first + i)
  const instances = ports.map((port) => startProcess(CELL, [], { PORT: String(port) }))
  let planes: Planes | undefined
  try {
    planes = await startPlanes(ports, {
      kind: 'stateful',
      cells: {
        count: plan.cells,
        holdings: 'none',
        capacity: { requests_per_second: plan.cellRequestsPerSecond },
      },
      quarantine: { enabled: true },
      routes: [
        { path: '/static/*', failover: 'any' },
        { path: '/*', failover: 'home-only' },
      ],
    })
    return await poison(plan, planes)
  } finally {
    await planes?.stop()
    await Promise.all(instances.map((instance) => instance.stop()))
  }
}

async function poison(plan: StatefulPlan, { admin, routerUrls }: Planes): Promise<StatefulResult> {
  const over = new AbortController()
  const ask = createAsker(routerUrls)
  const load = (tenants: readonly string[], requestsPerSecond: number) =>
    runLoad({
      requestsPerSecond,
      durationMs: LOAD_MS_MAX,
      tenants: tenants.map((id) => ({ id, weight: 1 })),
      seed: plan.seed,
      signal: over.signal,
      send: async (tenant) => ({ operation: 'get', outcome: String((await ask(tenant, '/orders')).status) }),
    })
  const goodTenants = Array.from({ length: plan.tenants }, (_, i) => `tenant-${i}`)
  for (const tenant of [...goodTenants, FAILING]) await admin.registerTenant({ body: { tenant } })

  const good = load(goodTenants, plan.requestsPerSecond)
  try {
    await delay(plan.beforeMs)
    const beganAt = Date.now()
    const bad = load([FAILING], plan.badRequestsPerSecond)
    const { mode } = await waitFor('the tenant to be in quarantine', WAIT_MS, async () => {
      const { quarantines } = await admin.listQuarantines({ query: {} })
      return quarantines.find(({ tenant }) => tenant === FAILING)
    })
    const quarantinedAfterMs = Date.now() - beganAt
    await delay(SETTLE_MS)
    const throttledAt = Date.now()
    await delay(plan.throttledMs)
    const throttledUntil = Date.now()
    const anyRoute = await askInTurn(ask, ANY_ROUTE)
    over.abort()
    const sent = (await bad).filter(
      ({ startedAtMs }) => startedAtMs >= throttledAt && startedAtMs < throttledUntil,
    )
    const goodSent = await good
    await admin.releaseTenant({ params: { tenant: FAILING }, query: { reason: 'its imports are mended' } })
    await delay(SETTLE_MS)
    const released = await askInTurn(ask, '/orders')
    const refused = sent.filter(({ outcome }) => outcome === '429').length
    return {
      good: {
        requests: goodSent.length,
        failures: goodSent.filter(({ outcome }) => outcome !== '200').length,
      },
      quarantinedAfterMs,
      mode,
      throttled: {
        requests: sent.length,
        letThrough: sent.filter(({ outcome }) => outcome === '500').length,
        refused,
        ms: throttledUntil - throttledAt,
      },
      anyRouteCells: [...new Set(anyRoute.map(({ cell }) => cell))],
      refusedAfterRelease: released.filter(({ status }) => status === 429).length,
    }
  } finally {
    over.abort()
    await good
  }
}

type Answer = { status: number; cell: string }

/** A few requests of the bad tenant, slower than its throttle. */
async function askInTurn(ask: ReturnType<typeof createAsker>, path: string): Promise<Answer[]> {
  const answers: Answer[] = []
  for (let i = 0; i < ASKED; i++) {
    answers.push(await ask(FAILING, path))
    await delay(ASK_EVERY_MS)
  }
  return answers
}

/** Asks the routers in turn. `status` is 0 where no answer came. */
function createAsker(urls: readonly string[]) {
  let next = 0
  return (tenant: string, path: string) =>
    new Promise<Answer>((resolve) => {
      const url = `${urls[next++ % urls.length]}${path}`
      const sent = get(url, { headers: { [TENANT_HEADER]: tenant } }, (answer) => {
        const cell = String(answer.headers[HEADERS.cell] ?? '')
        answer.resume().once('close', () => resolve({ status: answer.statusCode!, cell }))
      })
      sent.once('error', () => resolve({ status: 0, cell: '' }))
    })
}
