/** What a router makes of cells that fail in part, and of tenants that do; with real sockets. */
import assert from 'node:assert/strict'
import { Agent } from 'node:http'
import { test } from 'node:test'
import { encodeTable } from '@cellplane/contract'
import { send } from '../testing/client.ts'
import { type FakeFleet, type FleetOptions, startFakeFleet } from '../testing/fake-fleet.ts'
import { until } from '../testing/wait.ts'

type Running = {
  fleet: FakeFleet
  ask(tenant: string): Promise<number>
  fitnessOf(cell: string): Promise<number>
}

async function withRouter(options: FleetOptions, run: (running: Running) => Promise<void>): Promise<void> {
  const fleet = await startFakeFleet(options)
  const agent = new Agent({ keepAlive: true })
  try {
    const { port, adminPort } = await fleet.startRouter()
    await until(
      'the router',
      async () =>
        options.isPublished === false || (await send(adminPort, { path: '/readyz' })).status === 200,
    )
    await run({
      fleet,
      ask: async (tenant) => (await send(port, { headers: ['x-tenant', tenant], agent })).status,
      fitnessOf: async (cell) => {
        const { json } = await send(adminPort, { path: '/status' })
        return json.cells.find((one: { cell: string }) => one.cell === cell).fitness
      },
    })
  } finally {
    agent.destroy()
    await fleet.stop()
  }
}

const ejections = (fleet: FakeFleet) => fleet.logLines.filter((line) => line.includes('cell ejected'))

test('a cell that fails every other request of many tenants is ejected within 5 s, for its success rate', () =>
  withRouter({}, async ({ fleet, ask }) => {
    let nth = 0
    // Never two failures in a row; and an odd number of tenants, so that it is never the same ones that fail.
    fleet.cells[0]!.answer = (_seen, response) => response.writeHead(nth++ % 2 === 0 ? 500 : 200).end()
    const tenants = [0, 1, 2, 3, 4].flatMap((n) => [fleet.tenantOn(0, 1, n), fleet.tenantOn(1, 2, n)])
    const startedAt = performance.now()
    await until('the ejection', async () => {
      for (const tenant of tenants) await ask(tenant)
      return ejections(fleet).length > 0
    })
    assert.ok(performance.now() - startedAt < 5_000)
    assert.match(ejections(fleet)[0]!, /"cell":"cell-0".*"why":"success-rate"/)
    for (const tenant of tenants) assert.equal(await ask(tenant), 200)
  }))

test('a tenant whose every request fails ejects nothing', () =>
  withRouter({}, async ({ fleet, ask, fitnessOf }) => {
    const [tenant, other] = [fleet.tenantOn(0, 1), fleet.tenantOn(0, 1, 1)]
    for (const cell of fleet.cells) {
      cell.answer = ({ headers }, response) =>
        response.writeHead(headers['cellplane-tenant'] === tenant ? 500 : 200).end()
    }
    for (let i = 0; i < 100; i++) assert.equal(await ask(tenant), 500)
    for (let i = 0; i < 10; i++) assert.equal(await ask(other), 200)
    assert.equal(await fitnessOf('cell-0'), 1)
    assert.deepEqual(ejections(fleet), [])
  }))

test('a cell that is new in a running fleet, or active again, ramps up; at the start nobody does', () =>
  withRouter({ cells: 4, isPublished: false }, async ({ fleet, fitnessOf }) => {
    const table = encodeTable(Uint16Array.from({ length: 128 }, (_, place) => place % 2))
    const { cells } = fleet.buildBase()
    const drained = cells.map((cell, n) => (n === 2 ? { ...cell, state: 'draining' as const } : cell))
    const limits = { ramp_seconds: 60, unhealthy_share_max: 0.5 }
    fleet.publishOverlay()
    fleet.publishBase({ cells: drained.slice(0, 3), table, limits })
    await until('the first base', async () => (await fitnessOf('cell-2').catch(() => 0)) === 1)
    fleet.publishBase({ cells, table, limits })
    await until('the new cell', async () => (await fitnessOf('cell-3').catch(() => 1)) < 1)
    assert.ok((await fitnessOf('cell-2')) < 1)
    assert.equal(await fitnessOf('cell-0'), 1)
  }))
