/** What a router tells of its tenants, and what it does with a tenant that is in quarantine at home: a real router. */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { parseWith, type RouterReport, routerReportSchema } from '@cellplane/contract'
import { type Received, send } from '../testing/client.ts'
import { type FakeFleet, type FleetOptions, startFakeFleet } from '../testing/fake-fleet.ts'
import { until } from '../testing/wait.ts'

type Ground = {
  fleet: FakeFleet
  ask(tenant: string, sent?: { path?: string; headers?: string[] }): Promise<Received>
  /** Of a report that the router makes from now on, the first that fits. */
  reported<T>(what: string, of: (report: RouterReport) => T | undefined): Promise<T>
}

async function withGround(options: FleetOptions, run: (ground: Ground) => Promise<void>): Promise<void> {
  const fleet = await startFakeFleet(options)
  try {
    const { port, adminPort } = await fleet.startRouter()
    await until('a topology', async () => (await send(adminPort, { path: '/readyz' })).status === 200)
    for (const cell of fleet.cells) {
      const { answer } = cell
      cell.answer = (seen, response) => {
        if (seen.headers['x-crash']) void cell.kill()
        else if (seen.headers['x-fail']) response.writeHead(500).end()
        else answer(seen, response)
      }
    }
    const ask: Ground['ask'] = (tenant, sent = {}) =>
      send(port, { ...sent, headers: ['x-tenant', tenant, ...(sent.headers ?? [])] })
    await run({
      fleet,
      ask,
      async reported(what, of) {
        const { reports } = fleet.controlPlane
        let found: ReturnType<typeof of>
        const from = reports.length
        await until(what, () => {
          found = reports
            .slice(from)
            .map(of)
            .find((one) => one !== undefined)
          return found !== undefined
        })
        return found!
      },
    })
  } finally {
    await fleet.stop()
  }
}

describe('a report', { concurrency: true }, () => {
  test('names the tenants that fail, and where, with all of their attempts; and fits the contract', () =>
    withGround({}, async ({ fleet, ask, reported }) => {
      const bad = fleet.tenantOn(0, 1)
      const good = fleet.tenantOn(0, 1, 1)
      for (let i = 0; i < 3; i++) await ask(bad, { headers: ['x-fail', '1'] })
      for (let i = 0; i < 5; i++) await ask(bad)
      for (let i = 0; i < 4; i++) await ask(good)
      await ask(good, { headers: ['x-fail', '1'] })
      const report = await reported('all errors', (one) =>
        one.tenant_figures?.errors[0]?.attempts === 8 ? one : undefined,
      )
      const { errors, cells } = report.tenant_figures!
      assert.deepEqual(errors, [
        { tenant: bad, attempts: 8, errors: 3, cells: [{ slot: 0, errors: 3 }] },
        { tenant: good, attempts: 5, errors: 1, cells: [{ slot: 0, errors: 1 }] },
      ])
      assert.deepEqual(cells, [{ slot: 0, attempts: 13, errors: 4 }])
      assert.deepEqual(
        report.cells.map((cell) => cell.one_tenant_errors_share),
        [0.75, 0, 0],
      )
      assert.ok(parseWith(routerReportSchema, report).ok)
    }))

  test('names who was under way at a crash, where it was and how long ago', () =>
    withGround({}, async ({ fleet, ask, reported }) => {
      const poisonous = fleet.tenantOn(0, 1)
      await ask(poisonous, { path: '/home-only/x', headers: ['x-crash', '1'] })
      const [{ tenant, is_suspended, crashes }] = await reported('the crash', ({ tenant_figures }) =>
        tenant_figures?.crashes[0] ? [tenant_figures.crashes[0]] : undefined,
      )
      assert.deepEqual([tenant, is_suspended, crashes.length], [poisonous, false, 1])
      assert.equal(crashes[0]!.slot, 0)
      assert.ok(crashes[0]!.ms_ago < 60_000)
    }))
})

describe('a tenant that is in quarantine at home', { concurrency: true }, () => {
  const stateful: FleetOptions = {
    cells: 4,
    base: {
      fleet_kind: 'stateful',
      quarantine: { cell: 3 },
      routes: [
        { path: '/any', failover: 'any' },
        { path: '/home', failover: 'home-only' },
      ],
    },
  }

  test('is let through now and then and refused otherwise, and only what any cell may serve is diverted', () =>
    withGround(stateful, async ({ fleet, ask }) => {
      const throttled = fleet.tenantOn(0, 1)
      const neighbour = fleet.tenantOn(0, 1, 1)
      fleet.publishOverlay({
        quarantined: [
          { tenant: throttled, since: new Date().toISOString(), reason: 'it fails', rate_share: 0.1 },
        ],
      })
      await until('the overlay', async () => (await ask(throttled, { path: '/any' })).json.cell === 'cell-3')
      const answers = await Promise.all(Array.from({ length: 20 }, () => ask(throttled, { path: '/home' })))
      const refused = answers.filter(({ status }) => status === 429)
      assert.ok(refused.length >= 10, `${refused.length} of 20 were refused`)
      assert.match(refused[0]!.json.detail, /in quarantine/)
      for (const { status, json } of answers) assert.ok(status === 429 || json.cell === 'cell-0')
      for (let i = 0; i < 20; i++) assert.equal((await ask(neighbour, { path: '/home' })).status, 200)
    }))
})
