import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { formatCellNamingId } from '@cellplane/contract'
import { type Received, send } from '../testing/client.ts'
import type { FakeCell } from '../testing/fake-cell.ts'
import { type FakeFleet, type FleetOptions, startFakeFleet } from '../testing/fake-fleet.ts'
import { until } from '../testing/wait.ts'

/** The last of five cells. */
const QUARANTINE = 4
const WITH_QUARANTINE = { cells: 5, base: { quarantine: { cell: QUARANTINE } } }

type Ground = {
  fleet: FakeFleet
  /** How often each cell died. */
  deaths: number[]
  ask(tenant: string, sent?: { method?: string; path?: string; headers?: string[] }): Promise<Received>
  admin(path: string): Promise<Received>
  /** Resolves when the router has seen so many crashes in all. */
  crashesSeen(count: number): Promise<void>
  revive(): Promise<void>
}

const POISON = ['x-poison', '1']
const isPoison = (headers: Record<string, unknown>) => headers['x-poison'] === '1'

/**
 * Cells that die of a poisoned request and stay dead until they are revived. `/slow` is answered only where it comes as a
 * second attempt, so that it is under way when its first cell dies.
 */
async function withGround(options: FleetOptions, run: (ground: Ground) => Promise<void>): Promise<void> {
  const fleet = await startFakeFleet(options)
  try {
    const { port, adminPort } = await fleet.startRouter()
    const admin = (path: string) => send(adminPort, { path })
    await until('a topology', async () => (await admin('/readyz')).status === 200)
    const deaths = fleet.cells.map(() => 0)
    const dead = new Set<FakeCell>()
    for (const [index, cell] of fleet.cells.entries()) {
      const { answer } = cell
      cell.answer = (seen, response) => {
        if (isPoison(seen.headers)) {
          deaths[index]!++
          dead.add(cell)
          void cell.kill()
        } else if (seen.path !== '/slow' || seen.headers['cellplane-attempt'] === '1') {
          answer(seen, response)
        }
      }
    }
    await run({
      fleet,
      deaths,
      ask: (tenant, sent = {}) =>
        send(port, { ...sent, headers: ['x-tenant', tenant, ...(sent.headers ?? [])] }),
      admin,
      async crashesSeen(count) {
        await until(
          `crash ${count}`,
          () => fleet.logLines.filter((line) => line.includes('cell crashed')).length === count,
        )
      },
      async revive() {
        for (const cell of dead) await cell.revive()
        dead.clear()
      },
    })
  } finally {
    await fleet.stop()
  }
}

const suspendedIn = ({ json }: Received): string[] =>
  json.suspended_tenants.map(({ tenant }: { tenant: string }) => tenant)

// Each has a fleet of its own; together they wait no longer than the longest.
describe('a cell that dies of a request', { concurrency: 4 }, () => {
  test('costs the shard at most; then its tenant goes to the quarantine cell, and nobody else does', () =>
    withGround(WITH_QUARANTINE, async ({ fleet, deaths, ask, admin, crashesSeen, revive }) => {
      const poisonous = fleet.tenantOn(0, 1)
      const neighbours = [
        fleet.tenantOn(0, 1, 1),
        fleet.tenantOn(0, 2),
        fleet.tenantOn(0, 3),
        fleet.tenantOn(2, 0),
      ]
      const underWay = neighbours.slice(0, 3).map((tenant) => ask(tenant, { path: '/slow' }))
      await until('the neighbours to be under way', () => fleet.cells[0]!.arrivals === underWay.length)
      assert.equal((await ask(poisonous, { headers: POISON })).status, 502)
      await crashesSeen(2)
      assert.deepEqual(deaths, [1, 1, 0, 0, 0])
      await revive()
      for (const { status, json } of await Promise.all(underWay)) {
        // The one of the same shard was sent to the cell that died next, if it was not answered before.
        assert.ok(status === 200 ? json.cell !== 'cell-0' : status === 502, `${status}`)
      }

      for (let i = 0; i < 3; i++) {
        assert.equal((await ask(poisonous, { headers: POISON })).status, 502)
        await crashesSeen(3 + i)
        await revive()
        for (const tenant of neighbours) {
          const { status, json } = await ask(tenant)
          assert.equal(status, 200)
          assert.notEqual(json.cell, 'cell-4')
        }
      }
      assert.deepEqual(deaths, [1, 1, 0, 0, 3])

      assert.deepEqual(suspendedIn(await admin('/status')), [poisonous])
      const explained = await admin(`/explain?key=${poisonous}`)
      assert.equal(explained.json.source, 'quarantine')
      assert.ok(explained.json.suspended_until)
      assert.match(
        explained.json.explanation,
        /suspends it until .* crashes of cells; it goes to the quarantine cell/,
      )
      const metrics = (await admin('/metrics')).text
      assert.match(metrics, /^cellplane_router_tenants_suspended 1$/m)
      assert.match(metrics, /^cellplane_router_cell_crashes_total\{cell="cell-4"\} 3$/m)
      assert.ok(fleet.logLines.some((line) => line.includes('tenant suspended') && line.includes(poisonous)))
    }))

  test('is not followed by the alternate once its tenant is suspected: the second attempt is the quarantine cell’s', () =>
    withGround(WITH_QUARANTINE, async ({ fleet, deaths, ask, crashesSeen }) => {
      const poisonous = fleet.tenantOn(0, 1)
      const post = { method: 'POST', headers: POISON }
      assert.equal((await ask(poisonous, post)).status, 502)
      await crashesSeen(1)
      // The home is gone, so nothing is sent there, and the route would let the alternate stand in.
      assert.equal((await ask(poisonous, post)).status, 502)
      assert.deepEqual(deaths, [1, 0, 0, 0, 1])
      const { headers } = fleet.cells[QUARANTINE]!.seen[0]!
      assert.equal(headers['cellplane-role'], 'home')
      assert.equal(headers['cellplane-shard'], 'cell-4')
      const healthy = fleet.tenantOn(0, 1, 1)
      assert.equal((await ask(healthy, { method: 'POST' })).json.cell, 'cell-1')
    }))

  test('is not named by its tenant again: what names another cell than quarantine is refused meanwhile', () =>
    withGround(WITH_QUARANTINE, async ({ fleet, deaths, ask, crashesSeen, revive }) => {
      const poisonous = fleet.tenantOn(0, 1)
      const byId = { path: `/v1/things/${formatCellNamingId('ntf', 0, 'r')}`, headers: POISON }
      for (let i = 0; i < 2; i++) {
        await ask(poisonous, byId)
        await crashesSeen(1 + i)
        await revive()
      }
      const { status, headers, json } = await ask(poisonous, byId)
      assert.equal(status, 503)
      assert.equal(json.code, 'TENANT_SUSPENDED')
      assert.ok(Number(headers['retry-after']) > 0)
      assert.deepEqual(deaths, [2, 0, 0, 0, 0])
    }))

  test('of a stateful fleet dies twice; then its tenant is refused by name, and its neighbours are served', () =>
    withGround(
      { cells: 5, base: { fleet_kind: 'stateful', quarantine: { cell: QUARANTINE } } },
      async ({ fleet, deaths, ask, crashesSeen, revive }) => {
        const poisonous = fleet.tenantOn(0, 1)
        const post = { method: 'POST', headers: POISON }
        for (let i = 0; i < 2; i++) {
          assert.equal((await ask(poisonous, post)).status, 502)
          await crashesSeen(1 + i)
          await revive()
        }
        for (let i = 0; i < 3; i++) {
          const { status, json } = await ask(poisonous, post)
          assert.equal(status, 503)
          assert.equal(json.code, 'TENANT_SUSPENDED')
        }
        assert.deepEqual(deaths, [2, 0, 0, 0, 0])
        assert.equal((await ask(fleet.tenantOn(0, 1, 1), { method: 'POST' })).json.cell, 'cell-0')
      },
    ))
})

test('a request that breaks by itself is no crash, however often', () =>
  withGround(WITH_QUARANTINE, async ({ fleet, ask, admin }) => {
    const tenant = fleet.tenantOn(0, 1)
    fleet.cells[0]!.answer = (_seen, response) => response.socket!.destroy()
    for (let i = 0; i < 4; i++) await ask(tenant, { method: 'POST' })
    assert.ok(fleet.cells[0]!.arrivals > 1)
    // A crash elsewhere is looked into after them, and is the only one that is found.
    const other = fleet.tenantOn(2, 3)
    await ask(other, { method: 'POST', headers: POISON })
    await until('the crash', async () =>
      /cell_crashes_total\{cell="cell-2"\} 1/.test((await admin('/metrics')).text),
    )
    assert.match((await admin('/metrics')).text, /cell_crashes_total\{cell="cell-0"\} 0/)
    assert.deepEqual(suspendedIn(await admin('/status')), [])
  }))
