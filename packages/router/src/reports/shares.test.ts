/** Shares of limits from end to end: real routers on sockets, and a control plane that divides as the real one does. */
import assert from 'node:assert/strict'
import { Agent } from 'node:http'
import { describe, test } from 'node:test'
import { ROUTER_SHARES_BYTES_MAX, type RouterReport, type RouterShares } from '@cellplane/contract'
import { createLimitDivider } from '@cellplane/core'
import type { Router } from '../router.ts'
import { send } from '../testing/client.ts'
import { type FakeFleet, startFakeFleet } from '../testing/fake-fleet.ts'
import { until } from '../testing/wait.ts'

/** Of a tenant, requests a second: the capacity over a shard of 2. */
const CAP = 30
const NAMES = ['router-1', 'router-2', 'router-3']
const MEASURE_MS = 2_000

async function withRouters(
  names: readonly string[],
  run: (fleet: FakeFleet, routers: Router[]) => Promise<void>,
): Promise<void> {
  const fleet = await startFakeFleet()
  try {
    const { cells } = fleet.buildBase()
    fleet.publishBase({
      cells: cells.map((cell) => ({ ...cell, capacity: { requests_per_second: 2 * CAP } })),
    })
    const routers = await Promise.all(names.map((router) => fleet.startRouter({ router })))
    for (const { adminPort } of routers) {
      await until('a topology', async () => (await send(adminPort, { path: '/readyz' })).status === 200)
    }
    await run(fleet, routers)
  } finally {
    await fleet.stop()
  }
}

const statusOf = async ({ adminPort }: Router) => (await send(adminPort, { path: '/status' })).json

/** Undefined while the router applies the whole cap. */
async function shareAt(router: Router, tenant: string): Promise<number | undefined> {
  const { tenants } = (await statusOf(router)).shares
  return tenants.find((one: { tenant: string }) => one.tenant === tenant)?.share
}

/** Answers reports as the control plane does, by what arrived. */
function divideByArrivals(validSeconds: number) {
  const divider = createLimitDivider<string>(10)
  return ({ router, arrivals }: RouterReport): string => {
    const { ms, tenants } = arrivals!
    divider.record(router, { ms, counts: new Map(tenants.map(({ tenant, requests }) => [tenant, requests])) })
    const division = divider.divide(NAMES, (_, perSecond) => perSecond / CAP)
    const shares: RouterShares = {
      routers: NAMES.length,
      cells: [],
      tenants: Array.from(division, ([tenant, of]) => ({ tenant, share: of[NAMES.indexOf(router)]! })),
      valid_seconds: validSeconds,
    }
    return JSON.stringify(shares)
  }
}

/** Sends a tenant's requests, three times its cap, until it is stopped: at even distances, in turn to the routers that it is turned to. */
function startLoad(tenant: string) {
  const agent = new Agent({ keepAlive: true })
  const underWay = new Set<Promise<void>>()
  let ports: readonly number[] = []
  let lastAt = performance.now()
  let due = 0
  let sent = 0
  let passed = 0

  const timer = setInterval(() => {
    const now = performance.now()
    due += (3 * CAP * (now - lastAt)) / 1_000
    lastAt = now
    for (; sent < due; sent++) {
      const one = send(ports[sent % ports.length]!, { headers: ['x-tenant', tenant], agent })
        .then(({ status }) => {
          if (status === 200) passed++
        })
        .finally(() => underWay.delete(one))
      underWay.add(one)
    }
  }, 10)

  return {
    turnTo(routers: readonly Router[]): void {
      ports = routers.map(({ port }) => port)
    },
    /** What all routers let through from now on, of the cap. */
    async measure(): Promise<number> {
      const [before, since] = [passed, performance.now()]
      const elapsed = () => performance.now() - since
      await until('time to pass', () => elapsed() >= MEASURE_MS)
      return ((passed - before) * 1_000) / elapsed() / CAP
    },
    async stop(): Promise<void> {
      clearInterval(timer)
      await Promise.all(underWay)
      agent.destroy()
    },
  }
}

describe('shares of limits, end to end', { concurrency: true }, () => {
  test('a tenant at three times its cap gets about its cap, spread over three routers or at one; and more when nobody divides any more', () =>
    withRouters(NAMES, async (fleet, routers) => {
      const tenant = fleet.tenantOn(0, 1)
      const [first, second] = routers as [Router, Router]
      fleet.controlPlane.reporting.answer = divideByArrivals(1)
      const load = startLoad(tenant)
      try {
        load.turnTo(routers)
        await until('each router to have about a third', async () => {
          const shares = await Promise.all(routers.map((router) => shareAt(router, tenant)))
          return shares.every((share) => share !== undefined && share > 0.2 && share < 0.5)
        })
        // Undivided it would be 3.
        const spread = await load.measure()
        assert.ok(spread > 0.5 && spread < 1.8, `${spread} of its cap, spread`)

        load.turnTo([first])
        const left = await until('the shares to follow', async () => {
          const share = (await shareAt(second, tenant)) ?? 1
          return share < 0.1 && share
        })
        // With the third that it had there before it would be 0.33.
        const moved = await load.measure()
        assert.ok(moved > 0.6 && moved < 1.8, `${moved} of its cap, at one`)

        await fleet.controlPlane.stop()
        await until('the share to rise', async () => ((await shareAt(second, tenant)) ?? 1) > left)
      } finally {
        await load.stop()
      }
    }))

  test('what is no shares is refused and counted, and changes nothing', () =>
    withRouters(['router-1'], async (fleet, [router]) => {
      const good: RouterShares = {
        routers: 2,
        cells: [{ slot: 0, share: 0.5 }],
        tenants: [{ tenant: 'acme', share: 0.25 }],
        valid_seconds: 60,
      }
      fleet.controlPlane.reporting.answer = () => JSON.stringify(good)
      await until('the share', async () => (await shareAt(router!, 'acme')) === 0.25)
      const garbage = [
        '{"routers":2,',
        JSON.stringify({ ...good, tenants: [{ tenant: 'acme', share: 7 }] }),
        JSON.stringify(good).padEnd(ROUTER_SHARES_BYTES_MAX + 1),
      ]
      fleet.controlPlane.reporting.answer = () => garbage.shift() ?? null
      const { shares, cells } = await until('all of it to be refused', async () => {
        const status = await statusOf(router!)
        return status.shares.refused === 3 && status
      })
      assert.deepEqual(shares.tenants, good.tenants)
      assert.deepEqual(
        cells.map(({ share }: { share: number }) => share),
        [0.5, 1, 1],
      )
      assert.match(shares.last_refusal, /too large/)
      const metrics = (await send(router!.adminPort, { path: '/metrics' })).text
      assert.match(metrics, /^cellplane_router_shares_refused_total 3$/m)
      assert.match(metrics, /^cellplane_router_limits_divided_between 2$/m)
      assert.match(metrics, /^cellplane_router_tenants_divided 1$/m)
      assert.match(metrics, /^cellplane_router_cell_share\{cell="cell-0"\} 0\.5$/m)
      assert.match(metrics, /^cellplane_router_reports_dropped_total 0$/m)
    }))
})
