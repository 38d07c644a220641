/** Holds on real sockets: who waits, in which order they go on, what bounds them, and how each way out of a hold ends. */
import assert from 'node:assert/strict'
import type { ServerResponse } from 'node:http'
import { describe, test } from 'node:test'
import { send } from '../testing/client.ts'
import { type FakeFleet, type RouterOptions, startFakeFleet } from '../testing/fake-fleet.ts'
import { readMetric } from '../testing/metrics.ts'
import { connectRaw, type RawClient } from '../testing/raw-client.ts'
import { until } from '../testing/wait.ts'

/** So long that no test waits for it. */
const LONG_MS = 60_000

type Running = {
  fleet: FakeFleet
  port: number
  adminPort: number
  /** Whose home is cell-0 at first. */
  tenant: string
  /** Holds the tenant, and others, and waits until the router knows. */
  hold(until?: Date, ...others: string[]): Promise<void>
  /** Publishes a base by which the tenant's home is cell-2, with a higher generation. */
  switchHome(): void
  /** Waits until so many requests wait in the router. */
  waiting(count: number): Promise<void>
  outcomes(): Promise<Record<string, number>>
  connect(): Promise<RawClient>
}

const soon = (ms: number) => new Date(Date.now() + ms)

async function withFleet(
  run: (running: Running) => Promise<void>,
  limits: RouterOptions['limits'] = {},
): Promise<void> {
  const fleet = await startFakeFleet({ isPublished: false })
  const clients: RawClient[] = []
  const tenant = fleet.tenantOn(0, 1)
  const assign = (home: number, generation: number) =>
    fleet.publishBase({
      fleet_kind: 'stateful',
      overrides: [{ tenant, cells: [home, 1], reason: 'assignment', generation }],
    })
  try {
    assign(0, 1)
    fleet.publishOverlay()
    const router = await fleet.startRouter({
      limits: { hold_timeout_ms: LONG_MS, adaptive: 'off', ...limits },
    })
    const { port, adminPort } = router
    const held = async () => (await send(adminPort, { path: '/status' })).json.held
    await until('a topology', async () => (await send(adminPort, { path: '/readyz' })).status === 200)
    await run({
      fleet,
      port,
      adminPort,
      tenant,
      async hold(until_ = soon(LONG_MS), ...others) {
        fleet.publishOverlay({
          held: [tenant, ...others].map((one) => ({ tenant: one, until: until_.toISOString() })),
        })
        await until('the hold', async () => (await held()).tenants.length === 1 + others.length)
      },
      switchHome: () => void assign(2, 2),
      waiting: (count) =>
        until(`${count} to wait`, async () => (await held()).requests === count).then(() => {}),
      outcomes: () => readMetric(adminPort, 'holds_total', 'outcome'),
      async connect() {
        const client = await connectRaw(port)
        clients.push(client)
        return client
      },
    })
  } finally {
    for (const client of clients) client.destroy()
    await fleet.stop()
  }
}

const get = (tenant: string, path: string) => `GET ${path} HTTP/1.1\r\nhost: a\r\nx-tenant: ${tenant}\r\n\r\n`

const NOTHING = { sent: 0, 'no-room': 0, 'time-is-up': 0, 'client-left': 0, stopped: 0 }

// Each has a fleet of its own, and mostly waits.
describe('requests of a tenant whose home is being switched', { concurrency: 4 }, () => {
  test('wait, and go to the new home when a base says so; others are not kept waiting', () =>
    withFleet(async ({ fleet, port, adminPort, tenant, hold, waiting, switchHome, outcomes }) => {
      await hold()
      const other = fleet.tenantOn(1, 0)
      const held = send(port, { method: 'POST', body: 'b', headers: ['x-tenant', tenant] })
      await waiting(1)
      assert.equal((await send(port, { headers: ['x-tenant', other] })).status, 200)
      const explained = (await send(adminPort, { path: `/explain?key=${tenant}` })).json
      assert.match(explained.explanation, /^its home is being switched, so its requests wait/)
      assert.ok(Date.parse(explained.held_until) > Date.now())
      assert.equal(fleet.cells[0]!.arrivals, 0)
      switchHome()
      const { status, json } = await held
      assert.equal(status, 200)
      assert.equal(json.cell, 'cell-2')
      assert.equal(json.body, 'b')
      assert.equal(json.headers['cellplane-generation'], '2')
      // The overlay still holds it, and is behind.
      assert.equal((await send(port, { headers: ['x-tenant', tenant] })).json.cell, 'cell-2')
      assert.deepEqual(await outcomes(), { ...NOTHING, sent: 1 })
    }))

  test('go on where they would have gone when an overlay holds it no longer, or when the time has come', () =>
    withFleet(async ({ fleet, port, tenant, hold, waiting }) => {
      await hold()
      const first = send(port, { headers: ['x-tenant', tenant] })
      await waiting(1)
      fleet.publishOverlay()
      assert.equal((await first).json.cell, 'cell-0')
      await hold(soon(1_000))
      assert.equal((await send(port, { headers: ['x-tenant', tenant] })).json.cell, 'cell-0')
    }))

  test('go on in the order in which they came, 2,000 of them, and into the room that the home has', () =>
    withFleet(
      async ({ fleet, connect, tenant, hold, waiting, switchHome, outcomes }) => {
        const requests = 2_000
        await hold()
        let underWay = 0
        let underWayMax = 0
        const order: number[] = []
        fleet.cells[2]!.answer = ({ path }, response) => {
          underWayMax = Math.max(underWayMax, ++underWay)
          order.push(Number(path.slice(1)))
          setImmediate(() => {
            underWay--
            response.end()
          })
        }
        const ask = async (nth: number) => {
          const client = await connect()
          client.write(get(tenant, `/${nth}`))
          return client
        }
        // In groups, so that the order in which they come is known; within one, the sockets race.
        const group = 100
        const asked: RawClient[] = []
        while (asked.length < requests) {
          asked.push(...(await Promise.all(Array.from({ length: group }, (_, i) => ask(asked.length + i)))))
          await waiting(asked.length)
        }
        switchHome()
        asked.push(await ask(requests))
        for (const client of asked) assert.equal((await client.answers('GET'))[0]!.status, 200)
        assert.equal(order.length, requests + 1)
        const groups = order.map((nth) => Math.floor(nth / group))
        // What goes on together may be read by the cell in another order.
        const overtaken = groups.filter((nth, i) => i > 0 && nth < groups[i - 1]! - 1)
        assert.deepEqual(overtaken, [])
        assert.ok(underWayMax <= 16, `${underWayMax} at once`)
        assert.ok((await outcomes())['sent']! >= requests)
      },
      { held_requests_per_tenant_max: 3_000, held_requests_max: 3_000 },
    ))

  test('beyond the bounds in number are refused at once, for a tenant and for all; and others are served', () =>
    withFleet(
      async ({ fleet, port, tenant, hold, waiting, switchHome, outcomes }) => {
        const other = fleet.tenantOn(0, 1, 1)
        await hold(undefined, other)
        const ask = (who: string) => send(port, { headers: ['x-tenant', who] })
        const first = Array.from({ length: 3 }, () => ask(tenant))
        await waiting(3)
        const refused = await ask(tenant)
        assert.equal(refused.status, 503)
        assert.equal(refused.json.code, 'TENANT_HELD')
        assert.ok(Number(refused.headers['retry-after']) > 0)
        const second = ask(other)
        await waiting(4)
        assert.equal((await ask(other)).json.code, 'TENANT_HELD')
        assert.equal((await ask(fleet.tenantOn(2, 1))).status, 200)
        switchHome()
        for (const answer of await Promise.all(first)) assert.equal(answer.json.cell, 'cell-2')
        fleet.publishOverlay()
        assert.equal((await second).status, 200)
        assert.deepEqual(await outcomes(), { ...NOTHING, sent: 4, 'no-room': 2 })
      },
      { held_requests_max: 4, held_requests_per_tenant_max: 3 },
    ))

  test('beyond the bound in bytes are refused: a large head at once, a large body as it comes', () =>
    withFleet(
      async ({ port, tenant, hold, waiting, connect, outcomes }) => {
        await hold()
        const large = await send(port, { headers: ['x-tenant', tenant, 'x-large', 'x'.repeat(5_000)] })
        assert.equal(large.json.code, 'TENANT_HELD')
        const client = await connect()
        client.write(`POST / HTTP/1.1\r\nhost: a\r\nx-tenant: ${tenant}\r\ncontent-length: 9000\r\n\r\n`)
        await waiting(1)
        client.write('x'.repeat(5_000))
        const [answer] = await client.answers('POST')
        assert.equal(JSON.parse(answer!.body).code, 'TENANT_HELD')
        assert.match(answer!.head, /^connection: close\r$/m)
        await waiting(0)
        assert.deepEqual(await outcomes(), { ...NOTHING, 'no-room': 2 })
      },
      { held_bytes_max: 4_096 },
    ))

  test('are refused when their time is up', () =>
    withFleet(
      async ({ port, tenant, hold, outcomes }) => {
        await hold()
        const { status, json, headers } = await send(port, { headers: ['x-tenant', tenant] })
        assert.equal(status, 503)
        assert.equal(json.code, 'TENANT_HELD')
        assert.ok(Number(headers['retry-after']) > 0)
        assert.deepEqual(await outcomes(), { ...NOTHING, 'time-is-up': 1 })
      },
      { hold_timeout_ms: 100 },
    ))

  test('reach the new home whole when half of the body came before, more of it meanwhile, and the rest after', () =>
    withFleet(async ({ fleet, tenant, hold, waiting, switchHome, connect }) => {
      await hold()
      const part = 'x'.repeat(50_000)
      const client = await connect()
      client.write(
        `POST / HTTP/1.1\r\nhost: a\r\nx-tenant: ${tenant}\r\ncontent-length: ${4 * part.length}\r\n\r\n${part}`,
      )
      await waiting(1)
      // More than is kept: the client is read no further.
      client.write(part)
      client.write(part)
      switchHome()
      await until('it at the new home', () => fleet.cells[2]!.arrivals === 1)
      client.write(part)
      const [answer] = await client.answers('POST')
      assert.equal(answer!.status, 200)
      assert.equal(fleet.cells[2]!.seen[0]!.body.length, 4 * part.length)
      assert.equal(fleet.cells[0]!.arrivals, 0)
    }))

  test('are answered in order on a connection that has sent several at once', () =>
    withFleet(async ({ fleet, tenant, hold, waiting, switchHome, connect }) => {
      await hold()
      const other = fleet.tenantOn(1, 0)
      const client = await connect()
      client.write(get(tenant, '/1') + get(other, '/2') + get(tenant, '/3'))
      await waiting(1)
      assert.equal(fleet.cells[1]!.arrivals, 0)
      switchHome()
      const answers = await client.answers('GET', 'GET', 'GET')
      assert.deepEqual(
        answers.map(({ body }) => [JSON.parse(body).path, JSON.parse(body).cell]),
        [
          ['/1', 'cell-2'],
          ['/2', 'cell-1'],
          ['/3', 'cell-2'],
        ],
      )
    }))

  test('free their place when their client leaves, with half a body too', () =>
    withFleet(
      async ({ fleet, tenant, hold, waiting, connect, outcomes, switchHome, port }) => {
        await hold()
        const [reader, writer] = [await connect(), await connect()]
        reader.write(get(tenant, '/'))
        writer.write(`POST / HTTP/1.1\r\nhost: a\r\nx-tenant: ${tenant}\r\ncontent-length: 10\r\n\r\nhalf`)
        await waiting(2)
        reader.reset()
        await waiting(1)
        writer.end()
        await waiting(0)
        assert.deepEqual(await outcomes(), { ...NOTHING, 'client-left': 2 })
        const next = send(port, { headers: ['x-tenant', tenant] })
        await waiting(1)
        switchHome()
        assert.equal((await next).status, 200)
        assert.equal(fleet.cells[2]!.arrivals, 1)
      },
      { held_requests_max: 2 },
    ))

  test('are refused when the router stops, and the stop does not wait for them', () =>
    withFleet(async ({ fleet, tenant, hold, waiting, connect }) => {
      await hold()
      const client = await connect()
      client.write(get(tenant, '/'))
      await waiting(1)
      const stopped = fleet.stopRouters()
      const [answer] = await client.answers('GET')
      assert.equal(JSON.parse(answer!.body).code, 'TENANT_HELD')
      assert.match(answer!.head, /^connection: close\r$/m)
      await stopped
    }))

  test('that the old home turns away as misdirected wait as well, and reach the new one', () =>
    withFleet(async ({ fleet, port, adminPort, tenant, waiting, switchHome }) => {
      fleet.cells[0]!.answer = (_seen, response) => {
        fleet.publishOverlay({ held: [{ tenant, until: soon(LONG_MS).toISOString() }] })
        void until('the hold', async () => {
          return (await send(adminPort, { path: '/status' })).json.held.tenants.length === 1
        }).then(() => response.writeHead(421).end())
      }
      const answered = send(port, { method: 'POST', body: 'b', headers: ['x-tenant', tenant] })
      await waiting(1)
      switchHome()
      const { json } = await answered
      assert.equal(json.cell, 'cell-2')
      assert.equal(json.body, 'b')
    }))

  test('that waited, and are then turned away as misdirected, give their places back and wait once more', () =>
    withFleet(async ({ fleet, port, adminPort, tenant, hold, waiting, switchHome, outcomes }) => {
      const [oldHome, , newHome] = fleet.cells
      const atOld: ServerResponse[] = []
      const atNew: ServerResponse[] = []
      let isNewBusy = true
      oldHome!.answer = (_seen, response) => void atOld.push(response)
      newHome!.answer = (_seen, response) => void (isNewBusy ? atNew.push(response) : response.end())
      await hold()
      const asked = Array.from({ length: 40 }, () => send(port, { headers: ['x-tenant', tenant] }))
      await waiting(40)
      // The overlay comes before the base: as many as may go on to where the tenant no longer is.
      fleet.publishOverlay()
      await until('16 at the old home', () => atOld.length === 16)
      switchHome()
      await until('the new home to be known', async () => {
        return (await send(adminPort, { path: `/explain?key=${tenant}` })).json.generation === 2
      })
      // As many as the retry budget has for sure.
      for (const [nth, response] of atOld.entries()) response.writeHead(nth < 8 ? 421 : 200).end()
      await until('16 at the new home: all places are there', () => atNew.length === 16)
      isNewBusy = false
      for (const response of atNew) response.end()
      for (const { status } of await Promise.all(asked)) assert.equal(status, 200)
      assert.equal(oldHome!.arrivals, 16)
      assert.equal(newHome!.arrivals, 32)
      assert.deepEqual(await outcomes(), { ...NOTHING, sent: 48 })
    }))

  /** Fills the cell with requests of others, which are not answered while the test runs. */
  const fill = async ({ fleet, port }: Running, cell: number, count: number) => {
    const other = fleet.tenantOn(cell, 1)
    fleet.cells[cell]!.answer = ({ headers }, response) => {
      if (headers['x-tenant'] !== other) response.end('served')
    }
    for (let i = 0; i < count; i++) send(port, { headers: ['x-tenant', other] }).catch(() => {})
    await until(`${count} under way`, () => fleet.cells[cell]!.arrivals === count)
  }

  test('are let into a new home that stays more than half full', () =>
    withFleet(
      async (running) => {
        const { port, tenant, hold, waiting, switchHome, outcomes } = running
        await fill(running, 2, 6)
        await hold()
        const asked = Array.from({ length: 4 }, () => send(port, { headers: ['x-tenant', tenant] }))
        await waiting(4)
        switchHome()
        for (const { text } of await Promise.all(asked)) assert.equal(text, 'served')
        assert.deepEqual(await outcomes(), { ...NOTHING, sent: 4 })
      },
      { sockets_per_cell_max: 8, stop_timeout_ms: 0 },
    ))

  test('are treated as any other when their time is up, the hold is over, and their home is full', () =>
    withFleet(
      async (running) => {
        const { fleet, port, adminPort, tenant, hold, waiting, outcomes } = running
        await fill(running, 0, 4)
        await hold()
        const asked = send(port, { headers: ['x-tenant', tenant] })
        await waiting(1)
        fleet.publishOverlay()
        const { json } = await asked
        assert.equal(json.cell, 'cell-1', 'its alternate')
        assert.equal(fleet.cells[0]!.arrivals, 4)
        assert.deepEqual(await outcomes(), { ...NOTHING, sent: 1 })
        assert.equal((await send(adminPort, { path: '/status' })).json.held.requests, 0)
      },
      { sockets_per_cell_max: 4, hold_timeout_ms: 6_000, stop_timeout_ms: 0 },
    ))

  test('do not wait when the overlay holds a large part of all tenants: it is presumed wrong, and that is said', () =>
    withFleet(async ({ fleet, port, adminPort, tenant }) => {
      const held = Array.from({ length: 1_000 }, (_, i) => (i === 0 ? tenant : `t-${i}`))
      fleet.publishOverlay({ held: held.map((one) => ({ tenant: one, until: soon(LONG_MS).toISOString() })) })
      const why = await until('the overlay', async () => {
        return (await send(adminPort, { path: '/status' })).json.held.ignored_because || null
      })
      assert.match(why, /^1000 tenants are held, of 1 whose home is assigned/)
      assert.equal((await send(port, { headers: ['x-tenant', tenant] })).json.cell, 'cell-0')
      assert.ok(fleet.logLines.some((line) => line.includes('holds are ignored')))
    }))
})
