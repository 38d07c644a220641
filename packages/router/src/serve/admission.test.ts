import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { Route } from '@cellplane/contract'
import { type Received, send } from '../testing/client.ts'
import { type FakeFleet, type RouterOptions, startFakeFleet } from '../testing/fake-fleet.ts'
import { makeSleepingCell, runOverload } from '../testing/overload.ts'
import { until } from '../testing/wait.ts'

async function withRouter(
  run: (fleet: FakeFleet, port: number, adminPort: number) => Promise<void>,
  capacity: Record<string, number>,
  options: RouterOptions = {},
  routes: readonly Route[] = [],
): Promise<void> {
  const fleet = await startFakeFleet()
  try {
    const base = fleet.buildBase()
    fleet.publishBase({
      cells: base.cells.map((cell) => ({ ...cell, capacity })),
      routes: [...routes, ...base.routes],
    })
    const { port, adminPort } = await fleet.startRouter(options)
    await until('a topology', async () => (await send(adminPort, { path: '/readyz' })).status === 200)
    await run(fleet, port, adminPort)
  } finally {
    await fleet.stop()
  }
}

const burst = (port: number, tenant: string, count: number): Promise<Received[]> =>
  Promise.all(
    Array.from({ length: count }, () => send(port, { method: 'POST', headers: ['x-tenant', tenant] })),
  )

/** From the metrics page: requests by how full they found the cell, cumulative. */
async function foundFull(adminPort: number, cell: string): Promise<Map<string, number>> {
  const { text } = await send(adminPort, { path: '/metrics' })
  const shape = new RegExp(
    `cell_saturation_ratio_(?:bucket|count)\\{cell="${cell}"(?:,le="(.+?)")?\\} (\\d+)`,
    'g',
  )
  return new Map(Array.from(text.matchAll(shape), ([, le = 'count', value]) => [le, Number(value)]))
}

const countOf = (answers: readonly Received[], status: number) =>
  answers.filter((answer) => answer.status === status).length

// A rate so low that no request more fits while the test runs: the burst of one second is all there is.
describe('admission', () => {
  test('a tenant gets its share of a cell, beyond it 429 with Retry-After; its neighbours get theirs', () =>
    withRouter(
      async (fleet, port) => {
        const [greedy, modest] = [fleet.tenantOn(0, 1), fleet.tenantOn(0, 1, 1)]
        const answers = await burst(port, greedy, 30)
        // A capacity of 20 a second over a shard of 2.
        assert.ok(
          countOf(answers, 200) >= 10 && countOf(answers, 200) < 20,
          `${countOf(answers, 200)} passed`,
        )
        const refused = answers.find(({ status }) => status === 429)!
        assert.equal(refused.json.code, 'TOO_MANY_REQUESTS')
        assert.ok(refused.headers['retry-after'])
        assert.equal(countOf(answers, 200) + countOf(answers, 429), 30)
        assert.equal((await send(port, { headers: ['x-tenant', modest] })).status, 200)
      },
      { requests_per_second: 20 },
    ))

  test('a cell gets no more than its ceiling; what is beyond goes to the alternate, then is 503', () =>
    withRouter(
      async (fleet, port, adminPort) => {
        const tenants = Array.from({ length: 30 }, (_, nth) => fleet.tenantOn(0, 1, nth))
        const answers = (await Promise.all(tenants.map((tenant) => burst(port, tenant, 1)))).flat()
        const served = (id: string) => answers.filter(({ json }) => json.cell === id && json.path).length
        // 4 a second and a burst of as much; a slow machine lets a few seconds pass.
        assert.ok(served('cell-0') >= 4 && served('cell-0') <= 12, `${served('cell-0')} at the home`)
        assert.ok(served('cell-1') >= 4 && served('cell-1') <= 12, `${served('cell-1')} at the alternate`)
        assert.equal(fleet.cells[2]!.arrivals, 0)
        const refused = answers.filter(({ status }) => status === 503)
        assert.ok(refused.length > 0)
        for (const { json } of refused) assert.equal(json.code, 'OVERLOADED')
        const metrics = (await send(adminPort, { path: '/metrics' })).text
        assert.match(metrics, /shed_total\{cell="cell-0"\} [1-9]/)
      },
      { requests_per_second: 4 },
    ))

  test('a declared ceiling of requests under way holds below the configured one', () =>
    withRouter(
      async (fleet, port) => {
        for (const cell of fleet.cells) cell.answer = () => {}
        const stuck = burst(port, fleet.tenantOn(0, 1), 2).catch(() => {})
        await until('both cells to be full', () => fleet.cells[0]!.arrivals + fleet.cells[1]!.arrivals === 2)
        const refused = await send(port, { headers: ['x-tenant', fleet.tenantOn(0, 1)] })
        assert.equal(refused.json.code, 'OVERLOADED')
        await Promise.all(fleet.cells.map((cell) => cell.kill()))
        await stuck
      },
      { in_flight: 1 },
    ))

  test('of a cell under pressure low is shed first, then normal; a client may lower its request and not raise it', () =>
    withRouter(
      async (fleet, port, adminPort) => {
        for (const cell of fleet.cells) cell.answer = () => {}
        const cell = fleet.cells[0]!
        const tenant = fleet.tenantOn(0, 1)
        const ask = (path: string, priority?: string) =>
          send(port, { path, headers: ['x-tenant', tenant, ...(priority ? ['priority', priority] : [])] })
        const stuck: Promise<unknown>[] = []
        const fill = async (path: string, underWay: number) => {
          while (stuck.length < underWay) stuck.push(ask(path).catch(() => {}))
          await until(`${underWay} under way`, () => cell.arrivals === underWay)
        }
        const assertShed = async (path: string, priority?: string) => {
          const refused = await ask(path, priority)
          assert.equal(refused.status, 503, `${path} ${priority}`)
          assert.equal(refused.json.code, 'OVERLOADED')
          assert.ok(refused.headers['retry-after'])
        }
        // Three quarters of 20 are 15; nine tenths are 18.
        await fill('/low', 15)
        await assertShed('/low')
        await assertShed('/low', 'u=0')
        await assertShed('/normal', 'i, u=7')
        await assertShed('/high', 'u=7')
        await fill('/normal', 18)
        await assertShed('/normal')
        await assertShed('/normal', 'u=0')
        await fill('/high', 20)
        // How full each found it: up to 10 of 20, then two at each tenth and one at 19; the six above were turned away.
        const found = [...(await foundFull(adminPort, 'cell-0'))]
        assert.deepEqual(found, [
          ...[
            ['0.5', 11],
            ['0.6', 13],
            ['0.7', 15],
            ['0.8', 17],
            ['0.9', 19],
            ['1', 20],
            ['+Inf', 26],
          ],
          ['count', 26],
        ])
        assert.deepEqual([...(await foundFull(adminPort, 'cell-1')).values()], new Array(8).fill(0))
        await assertShed('/high')
        await Promise.all(fleet.cells.map((one) => one.kill()))
        await Promise.all(stuck)
      },
      { in_flight: 20 },
      {},
      (['low', 'normal', 'high'] as const).map((priority) => ({
        path: `/${priority}`,
        failover: 'home-only',
        priority,
      })),
    ))

  // How much that is in a second is the bench's to say (`overload.bench.ts`): a shared machine loses seconds of its own.
  test('a cell at three times its ceiling works for nobody in vain, and a neighbour does not notice', () =>
    withRouter(
      async (fleet, port) => {
        const [seen] = fleet.cells.map((cell) => makeSleepingCell(cell, 4, 100))
        const { busy, neighbour } = await runOverload({
          port,
          streams: {
            busy: { tenants: [fleet.tenantOn(0, 2)], perSecond: 120 },
            neighbour: { tenants: [fleet.tenantOn(1, 2)], perSecond: 10 },
          },
          warmUpMs: 0,
          measureMs: 3_000,
        })
        assert.ok(seen!.peak <= 8, `${seen!.peak} were under way`)
        assert.equal(busy.latencies.get(200)?.length, fleet.cells[0]!.arrivals)
        assert.deepEqual(new Set(busy.latencies.keys()), new Set([200, 503]))
        assert.equal(neighbour.latencies.get(200)?.length, neighbour.offered)
      },
      { in_flight: 8 },
    ))

  test('a cell that declares no ceiling is found out by its latency', () =>
    withRouter(async (fleet, port, adminPort) => {
      for (const cell of fleet.cells) makeSleepingCell(cell, 4, 40)
      await runOverload({
        port,
        streams: { busy: { tenants: [fleet.tenantOn(0, 2)], perSecond: 300 } },
        warmUpMs: 0,
        measureMs: 4_000,
      })
      const metrics = (await send(adminPort, { path: '/metrics' })).text
      const limit = Number(/cell_in_flight_max\{cell="cell-0"\} (\d+)/.exec(metrics)?.[1])
      assert.ok(limit < 64, `${limit} may be under way at a cell that works on 4 at once`)
      assert.match(metrics, /cell_in_flight_max\{cell="cell-1"\} 256/)
    }, {}))

  test('requests without a key are no tenant and have no share', () =>
    withRouter(
      async (_fleet, port) => {
        const answers = await Promise.all(Array.from({ length: 8 }, () => send(port)))
        assert.equal(countOf(answers, 429), 0)
      },
      { requests_per_second: 20 },
    ))
})

test('the access log has one in so many requests, and failures', () =>
  withRouter(
    async (fleet, port) => {
      const tenant = fleet.tenantOn(0, 1)
      for (let i = 0; i < 9; i++) await send(port, { path: '/a?secret=1', headers: ['x-tenant', tenant] })
      fleet.cells[0]!.answer = (_seen, response) => response.writeHead(500).end()
      await send(port, { path: '/b', headers: ['x-tenant', tenant, 'x-request-id', 'failing'] })
      const entries = fleet.logLines
        .map((line) => JSON.parse(line))
        .filter(({ message }) => message === 'request')
      assert.equal(entries.filter(({ path }) => path === '/a').length, 3)
      const failed = entries.find(({ request_id: id }) => id === 'failing')
      const { status, cell, tenant_id: logged, release, method } = failed
      assert.deepEqual(
        { status, cell, logged, release, method },
        { status: 500, cell: 'cell-0', logged: tenant, release: 'test', method: 'GET' },
      )
      assert.match(failed.trace_id, /^[0-9a-f]{32}$/)
      assert.ok(failed.duration_ms >= 0)
      assert.ok(!fleet.logLines.join('').includes('secret=1'), 'queries stay out of the log')
    },
    {},
    { access_log: { every_nth: 3 } },
  ))
