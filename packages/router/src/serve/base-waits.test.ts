/** Reads of records at a cell that only the coming base gives to their tenant: on real sockets, with every way out of the wait. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { formatCellNamingId } from '@cellplane/contract'
import { send } from '../testing/client.ts'
import { type FakeFleet, type RouterOptions, startFakeFleet } from '../testing/fake-fleet.ts'
import { until } from '../testing/wait.ts'

/** So long that no test waits for it. */
const LONG_MS = 60_000

type Running = {
  fleet: FakeFleet
  /** A read of a record at cell-2, for the nth tenant that has cell-0 and cell-1. Resolves to who answered. */
  read(nth?: number): Promise<string>
  /** Shows the overlay of a base that is still under way, and waits until the router has it. */
  announce(baseVersion?: number): Promise<void>
  /** Publishes that base: cell-2 is the tenant's home. */
  publish(): void
  /** How many requests each cell has had. */
  seen(): number[]
  stopRouter(): Promise<void>
}

async function withFleet(run: (running: Running) => Promise<void>, limits: RouterOptions['limits'] = {}) {
  const fleet = await startFakeFleet()
  try {
    const router = await fleet.startRouter({ limits: { hold_timeout_ms: LONG_MS, ...limits } })
    const { port, adminPort } = router
    const tenant = fleet.tenantOn(0, 1)
    const path = `/v1/things/${formatCellNamingId('ntf', 2, 'r')}`
    const status = async () => (await send(adminPort, { path: '/status' })).json
    await until('a topology', async () => (await send(adminPort, { path: '/readyz' })).status === 200)
    await run({
      fleet,
      read: async (nth = 0) => {
        const headers = ['x-tenant', fleet.tenantOn(0, 1, nth)]
        return String((await send(port, { path, headers })).headers['cellplane-cell'])
      },
      async announce(base_version = 1_000) {
        const { version } = fleet.publishOverlay({ base_version })
        await until('the overlay', async () => (await status()).overlay?.version === version)
      },
      publish() {
        const overrides = [{ tenant, cells: [2, 1], reason: 'pin' as const, generation: 0 }]
        fleet.publishBase({ version: 1_000, overrides })
      },
      seen: () => fleet.cells.map((cell) => cell.seen.length),
      stopRouter: () => router.stop(),
    })
  } finally {
    await fleet.stop()
  }
}

/** Whether it is still open after the router has served something else. */
async function isWaiting(answer: Promise<string>, after: () => Promise<unknown>): Promise<boolean> {
  let isOver = false
  void answer.then(() => {
    isOver = true
  })
  await after()
  return !isOver
}

test('a read that names a cell which only the coming base gives to its tenant waits for that base', () =>
  withFleet(async ({ announce, read, publish, seen }) => {
    await announce()
    const answer = read()
    assert.ok(await isWaiting(answer, announce))
    assert.deepEqual(seen(), [0, 0, 0])
    publish()
    assert.equal(await answer, 'cell-2')
    assert.deepEqual(seen(), [0, 0, 1])
  }))

test('with no base under way a stranger’s id goes to the tenant’s own cell at once', () =>
  withFleet(async ({ read }) => {
    assert.equal(await read(), 'cell-0')
  }))

test('a base that does not come is waited for once, and not for ever', () =>
  withFleet(
    async ({ announce, read }) => {
      await announce()
      assert.equal(await read(), 'cell-0')
    },
    { hold_timeout_ms: 200 },
  ))

test('beyond so many that wait nobody waits', () =>
  withFleet(
    async ({ announce, read, publish }) => {
      await announce()
      const first = read()
      assert.ok(await isWaiting(first, announce))
      assert.equal(await read(), 'cell-0')
      publish()
      assert.equal(await first, 'cell-2')
    },
    { held_requests_max: 1 },
  ))

test('a tenant that fills its places leaves room for the others, and gets them back', () =>
  withFleet(
    async ({ announce, read, publish }) => {
      await announce()
      const first = read()
      assert.ok(await isWaiting(first, announce))
      assert.equal(await read(), 'cell-0')
      const another = read(1)
      assert.ok(await isWaiting(another, announce))
      publish()
      assert.deepEqual([await first, await another], ['cell-2', 'cell-0'])
      await announce(2_000)
      assert.ok(await isWaiting(read(1), () => announce(2_000)))
    },
    { held_requests_per_tenant_max: 1 },
  ))

test('a router that stops sends what waits where it knows', () =>
  withFleet(async ({ announce, read, stopRouter }) => {
    await announce()
    const answer = read()
    assert.ok(await isWaiting(answer, announce))
    await stopRouter()
    assert.equal(await answer, 'cell-0')
  }))
