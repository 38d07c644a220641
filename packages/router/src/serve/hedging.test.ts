/** Hedges, with cells that answer when a test says so: what is sent beside what, whose answer is taken, what is counted. */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { formatCellNamingId, type Route } from '@cellplane/contract'
import { send } from '../testing/client.ts'
import { type FakeFleet, type RouterOptions, startFakeFleet } from '../testing/fake-fleet.ts'
import { readMetric } from '../testing/metrics.ts'
import { OK, type RawCell, type RawConnection, startRawCell } from '../testing/raw-cell.ts'
import { connectRaw, type RawClient } from '../testing/raw-client.ts'
import { until } from '../testing/wait.ts'

const HEDGE_AFTER_MS = 30
const ROUTES: Route[] = [
  { path: '/read/*', failover: 'read', hedge_after_ms: HEDGE_AFTER_MS },
  { path: '/home/*', failover: 'home-only', hedge_after_ms: HEDGE_AFTER_MS },
  { path: '/by-id/{id}', failover: 'read', cell_in: 'id', hedge_after_ms: HEDGE_AFTER_MS },
  { path: '/any/*', failover: 'any', hedge_after_ms: HEDGE_AFTER_MS },
  { path: '/plain/*', failover: 'any' },
]

/** Retries to requests, and what a quiet budget has at once; then one a second. */
const BUDGET = { ratio: 0.2, reserve: 10 }

type Running = {
  fleet: FakeFleet
  cells: RawCell[]
  adminPort: number
  /** Sends a request, and reads no answer yet. */
  ask(line: string, tenant: string, more?: string): Promise<RawClient>
  /** The connection on which the nth request came to a cell. */
  asked(cell: number, nth?: number): Promise<RawConnection>
  counts(): Promise<{ hedges: number[]; won: number[]; failed: number[] }>
}

/** Four cells, all of which leave every request to the test. */
async function withCells(run: (running: Running) => Promise<void>, limits: RouterOptions['limits'] = {}) {
  const fleet = await startFakeFleet({ cells: 4, isPublished: false })
  const cells = await Promise.all(fleet.cells.map(() => startRawCell()))
  const clients: RawClient[] = []
  try {
    fleet.publishBase({
      routes: ROUTES,
      cells: fleet.buildBase().cells.map((cell, i) => ({ ...cell, endpoints: { http: cells[i]!.url } })),
    })
    fleet.publishOverlay()
    for (const cell of cells) cell.answer = () => undefined
    const { port, adminPort } = await fleet.startRouter({ limits })
    await until('a topology', async () => (await send(adminPort, { path: '/readyz' })).status === 200)
    await run({
      fleet,
      cells,
      adminPort,
      async ask(line, tenant, more = '') {
        const client = await connectRaw(port)
        clients.push(client)
        client.write(`${line} HTTP/1.1\r\nhost: a\r\nx-tenant: ${tenant}\r\n${more}\r\n`)
        return client
      },
      asked: (cell, nth = 0) =>
        until(
          `request ${nth} at cell ${cell}`,
          () => cells[cell]!.connections.filter(({ requests }) => requests.length > 0)[nth],
        ),
      async counts() {
        const of = async (metric: string) => {
          const byCell = await readMetric(adminPort, metric)
          return fleet.cells.map(({ id }) => byCell[id]!)
        }
        const { text } = await send(adminPort, { path: '/metrics' })
        const failed = [
          ...text.matchAll(/^cellplane_router_requests_total\{.*code_class="failed"\} (\d+)$/gm),
        ]
        return {
          hedges: await of('hedges_total'),
          won: await of('hedges_won_total'),
          failed: failed.map(([, count]) => Number(count)),
        }
      },
    })
  } finally {
    for (const client of clients) client.destroy()
    await Promise.all(cells.map((cell) => cell.stop()))
    await fleet.stop()
  }
}

const cellOf = ({ head }: { head: string }) => /^cellplane-cell: (.*)\r$/m.exec(head)?.[1]

const NONE = [0, 0, 0, 0]

const closed = (connection: RawConnection) => until('it to be closed', () => !connection.isOpen)

// Each has a fleet of its own, and mostly waits.
describe('a read of which nothing came for hedge_after_ms', { concurrency: 4 }, () => {
  test('is sent to the alternate as well, whose answer is taken; the home is not blamed', () =>
    withCells(async ({ fleet, ask, asked, counts, adminPort }) => {
      const client = await ask('GET /read/1', fleet.tenantOn(0, 1))
      const [home, alternate] = [await asked(0), await asked(1)]
      assert.match(alternate.received, /^cellplane-role: alternate\r$/m)
      assert.match(alternate.received, /^cellplane-attempt: 1\r$/m)
      alternate.write(OK)
      const [answer] = await client.answers('GET')
      assert.equal(answer!.status, 200)
      assert.equal(cellOf(answer!), 'cell-1')
      await closed(home)
      assert.ok(alternate.isOpen)
      assert.deepEqual(await counts(), { hedges: [0, 1, 0, 0], won: [0, 1, 0, 0], failed: NONE })
      const { json } = await send(adminPort, { path: '/status' })
      assert.deepEqual(
        json.cells.map(({ in_flight }: { in_flight: number }) => in_flight),
        NONE,
      )
    }))

  test('is answered by the home when that is faster after all; the hedge is dropped', () =>
    withCells(async ({ fleet, ask, asked, counts }) => {
      const client = await ask('HEAD /read/1', fleet.tenantOn(0, 1))
      const [home, alternate] = [await asked(0), await asked(1)]
      home.write(OK.slice(0, -2))
      const [answer] = await client.answers('HEAD')
      assert.equal(cellOf(answer!), 'cell-0')
      await closed(alternate)
      assert.ok(home.isOpen)
      assert.deepEqual(await counts(), { hedges: [0, 1, 0, 0], won: NONE, failed: NONE })
    }))

  test('waits for whoever is first when both are slow, and for no third one', () =>
    withCells(
      async ({ fleet, ask, asked, counts, cells }) => {
        const client = await ask('GET /read/1', fleet.tenantOn(0, 1))
        const [home, alternate] = [await asked(0), await asked(1)]
        const [answer] = await client.answers('GET')
        assert.equal(answer!.status, 504)
        assert.equal(JSON.parse(answer!.body).code, 'UPSTREAM_TIMEOUT')
        await Promise.all([closed(home), closed(alternate)])
        assert.deepEqual(await counts(), { hedges: [0, 1, 0, 0], won: NONE, failed: [1, 1, 0, 0] })
        assert.equal(cells.flatMap(({ requests }) => requests).length, 2)
      },
      { response_timeout_ms: 300 },
    ))

  test('keeps the winner’s answer, whatever the loser does from then on', () =>
    withCells(async ({ fleet, ask, asked, counts }) => {
      const half = 'HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhello'
      const first = await ask('GET /read/1', fleet.tenantOn(0, 1))
      const [home, alternate] = [await asked(0), await asked(1)]
      alternate.write(half)
      await first.receives('hello')
      home.write(OK)
      alternate.write('world')
      assert.equal((await first.answers('GET'))[0]!.body, 'helloworld')
      assert.deepEqual((await counts()).failed, NONE)

      // In the same moment: which one the router reads first is not known.
      const second = await ask('GET /read/1', fleet.tenantOn(2, 3))
      const [otherHome, otherAlternate] = [await asked(2), await asked(3)]
      otherAlternate.write(half)
      otherHome.reset()
      await second.receives('hello')
      otherAlternate.write('world')
      assert.equal((await second.answers('GET'))[0]!.body, 'helloworld')
    }))

  test('goes on with the other one when one of the two fails, and that is counted', () =>
    withCells(async ({ fleet, ask, asked, counts, adminPort }) => {
      const first = await ask('GET /read/1', fleet.tenantOn(0, 1))
      const [home, alternate] = [await asked(0), await asked(1)]
      home.reset()
      await until('the failure to be counted', async () => (await counts()).failed[0] === 1)
      alternate.write(OK)
      assert.equal(cellOf((await first.answers('GET'))[0]!), 'cell-1')

      const second = await ask('GET /read/2', fleet.tenantOn(2, 3))
      const [otherHome, otherAlternate] = [await asked(2), await asked(3)]
      otherAlternate.reset()
      await until('the failure to be counted', async () => (await counts()).failed[3] === 1)
      otherHome.write(OK)
      assert.equal(cellOf((await second.answers('GET'))[0]!), 'cell-2')
      assert.equal((await readMetric(adminPort, 'retries_total'))['cell-1'], 0)
    }))

  test('does not take a 503 or a 421 while the other one may still answer', () =>
    withCells(async ({ fleet, ask, asked, counts }) => {
      for (const [nth, status] of [503, 421].entries()) {
        const client = await ask('GET /read/1', fleet.tenantOn(0, 1))
        const [home, alternate] = [await asked(0, nth), await asked(1, nth)]
        alternate.write(`HTTP/1.1 ${status} No\r\ncontent-length: 0\r\n\r\n`)
        await closed(alternate)
        home.write(OK.replace('ok', 'me'))
        const [answer] = await client.answers('GET')
        assert.equal(answer!.body, 'me')
        home.end()
        await closed(home)
      }
      assert.deepEqual((await counts()).won, NONE)
    }))

  test('is withdrawn from both when its client leaves', () =>
    withCells(async ({ fleet, ask, asked, counts, adminPort }) => {
      const client = await ask('GET /read/1', fleet.tenantOn(0, 1))
      const [home, alternate] = [await asked(0), await asked(1)]
      client.reset()
      await Promise.all([closed(home), closed(alternate)])
      const { json } = await send(adminPort, { path: '/status' })
      assert.equal(json.in_flight, 0)
      assert.deepEqual(
        json.cells.map(({ in_flight }: { in_flight: number }) => in_flight),
        NONE,
      )
      assert.deepEqual((await counts()).failed, NONE)
    }))
})

describe('no hedge', { concurrency: 4 }, () => {
  /** What is sent later is hedged: by then what was sent before would have been. */
  async function assertUnhedged({ fleet, ask, cells }: Running, alternate: number): Promise<void> {
    await ask('GET /read/last', fleet.tenantOn(3, alternate))
    const hedge = () => cells[alternate]!.requests.find((request) => request.startsWith('GET /read/last '))
    await until('the last one’s hedge', hedge)
  }

  test('for what may change something, has a body, is the home’s alone, names its cell, upgrades, or can wait', () =>
    withCells(async (running) => {
      const { fleet, ask, asked, cells, counts } = running
      const tenant = fleet.tenantOn(0, 1)
      const upgrade =
        'connection: upgrade\r\nupgrade: websocket\r\nsec-websocket-version: 13\r\nsec-websocket-key: a\r\n'
      const requests: [string, string?][] = [
        ['POST /any/1', 'content-length: 0\r\n'],
        ['PUT /any/1', 'idempotency-key: a\r\ncontent-length: 0\r\n'],
        ['DELETE /any/1'],
        ['OPTIONS /any/1'],
        ['GET /any/1', 'content-length: 2\r\n\r\nhi'],
        ['GET /home/1'],
        [`GET /by-id/${formatCellNamingId('thing', 0, 'r')}`],
        ['GET /read/1', 'x-cell: cell-0\r\n'],
        ['GET /read/1', upgrade],
        ['GET /read/1', 'priority: u=7\r\n'],
        ['GET /plain/1'],
      ]
      for (const [line, more] of requests) await ask(line, tenant, more)
      await asked(0, requests.length - 1)
      await assertUnhedged(running, 1)
      assert.equal(cells[1]!.requests.length, 1)
      assert.deepEqual((await counts()).hedges, [0, 1, 0, 0])
    }))

  test('once a byte of an answer has come', () =>
    withCells(async (running) => {
      const { fleet, ask, cells, adminPort } = running
      cells[0]!.answer = (request) =>
        request.includes('/read/interim') ? 'HTTP/1.1 103 Early Hints\r\n\r\n' : 'HTTP/1.1 2'
      await ask('GET /read/interim', fleet.tenantOn(0, 1))
      await ask('GET /read/part', fleet.tenantOn(0, 1))
      await assertUnhedged(running, 1)
      assert.equal(cells[1]!.requests.length, 1)
      assert.deepEqual(await readMetric(adminPort, 'shed_total'), {
        ...{ 'cell-0': 0, 'cell-1': 0, 'cell-2': 0, 'cell-3': 0 },
      })
    }))

  test('to a cell that is at its limit, or out', () =>
    withCells(
      async (running) => {
        const { fleet, ask, asked, cells, adminPort } = running
        fleet.publishOverlay({
          unhealthy: [{ slot: 2, since: new Date().toISOString(), reason: 'test' }],
        })
        await until('the mark', async () => (await readMetric(adminPort, 'cell_fitness'))['cell-2'] === 0)
        await ask('GET /home/1', fleet.tenantOn(1, 0))
        await asked(1)
        await ask('GET /read/1', fleet.tenantOn(0, 1))
        await asked(0)
        await ask('GET /read/2', fleet.tenantOn(3, 2))
        await asked(3)
        const { connections } = cells[3]!
        connections[0]!.write(OK)
        cells[0]!.connections[0]!.write(OK)
        await until('room', async () => (await readMetric(adminPort, 'cell_in_flight'))['cell-0'] === 0)
        await assertUnhedged(running, 0)
        assert.equal(cells[1]!.requests.length, 1)
        assert.equal(cells[2]!.requests.length, 0)
        assert.equal((await readMetric(adminPort, 'shed_total'))['cell-1'], 0)
      },
      { sockets_per_cell_max: 1 },
    ))

  test('beyond the budget: when everything is slow, attempts are at most 1.2 × the requests, and a reserve', () =>
    withCells(
      async (running) => {
        const { fleet, ask, cells, counts } = running
        const requests = 200
        const startedAt = performance.now()
        for (let i = 0; i < requests; i++) await ask(`GET /read/${i}`, fleet.tenantOn(0, 1, i % 3))
        await until('all at home', () => cells[0]!.requests.length === requests)
        await assertUnhedged(running, 1)
        const seconds = (performance.now() - startedAt) / 1000
        const hedges = cells[1]!.requests.length
        const ofThese = hedges - 1
        assert.ok(ofThese > 0, 'some were hedged')
        assert.ok(ofThese <= BUDGET.ratio * requests + BUDGET.reserve + seconds, `${ofThese} hedges`)
        assert.deepEqual((await counts()).hedges, [0, hedges, 0, 0])
      },
      { adaptive: 'off' },
    ))
})
