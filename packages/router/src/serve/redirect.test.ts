import assert from 'node:assert/strict'
import { Agent } from 'node:http'
import { after, before, describe, test } from 'node:test'
import type { Route } from '@cellplane/contract'
import { send } from '../testing/client.ts'
import { type FakeFleet, startFakeFleet } from '../testing/fake-fleet.ts'
import { connectRaw } from '../testing/raw-client.ts'
import { until } from '../testing/wait.ts'

const ROUTES: Route[] = [
  { path: '/proxied/*', failover: 'any', delivery: 'proxy' },
  { path: '/home/*', failover: 'home-only' },
  { path: '/*', failover: 'any' },
]

/** Which cell and address each request comes to is in the routing vectors; this is about the answer itself. */
describe('a route that is delivered by redirect', () => {
  let fleet: FakeFleet
  let port: number
  let tenant: string
  before(async () => {
    fleet = await startFakeFleet({ isPublished: false })
    fleet.publishBase({
      delivery: 'redirect',
      routes: ROUTES,
      cells: fleet.buildBase().cells.map((cell) => ({
        ...cell,
        endpoints: { ...cell.endpoints, public_http: `https://${cell.id}.example.com/` },
      })),
    })
    fleet.publishOverlay()
    const router = await fleet.startRouter()
    port = router.port
    tenant = fleet.tenantOn(0, 1)
    await until('a topology', async () => (await send(router.adminPort, { path: '/readyz' })).status === 200)
  })
  after(() => fleet.stop())
  const arrivals = () => fleet.cells.reduce((sum, cell) => sum + cell.arrivals, 0)

  test('is a 307 that nobody keeps, with the cell’s own URL, and nothing reaches the cell', async () => {
    const before = arrivals()
    const { status, headers, text } = await send(port, {
      ...{ method: 'PUT', path: '/a%20b?c=d', body: 'x'.repeat(1000) },
      headers: ['x-tenant', tenant, 'x-request-id', 'abc-1'],
    })
    assert.equal(status, 307)
    assert.equal(headers.location, 'https://cell-0.example.com/a%20b?c=d')
    assert.equal(headers['cache-control'], 'no-store')
    assert.equal(headers['cellplane-cell'], 'cell-0')
    assert.equal(headers['x-request-id'], 'abc-1')
    assert.equal(text, '')
    assert.equal(arrivals(), before)
  })

  test('tells a caller its own cell and no other of the fleet', async () => {
    const { headers } = await send(port, { headers: ['x-tenant', tenant] })
    assert.doesNotMatch(JSON.stringify(headers), /cell-[12]|127\.0\.0\.1/)
  })

  test('keeps the connection, also behind a body, which it has read', async () => {
    const agent = new Agent({ keepAlive: true, maxSockets: 1 })
    const ask = (body: string) => send(port, { method: 'POST', headers: ['x-tenant', tenant], body, agent })
    assert.equal((await ask('a')).headers.connection, undefined)
    assert.equal((await ask('b')).status, 307)
    agent.destroy()
  })

  test('answers a client that waits for "continue" without asking for the body', async () => {
    const client = await connectRaw(port)
    client.write(
      `POST / HTTP/1.1\r\nhost: a\r\nx-tenant: ${tenant}\r\nexpect: 100-continue\r\ncontent-length: 5\r\n\r\n`,
    )
    await until('the answer', () => client.received.includes('\r\n\r\n'))
    assert.match(client.received, /^HTTP\/1\.1 307 /)
    client.destroy()
  })

  test('is proxied without a key, for a WebSocket, and where its route says so', async () => {
    assert.equal((await send(port)).status, 200)
    assert.equal((await send(port, { path: '/proxied/x', headers: ['x-tenant', tenant] })).status, 200)
    const client = await connectRaw(port)
    const lines = ['connection: upgrade', 'upgrade: websocket', `x-tenant: ${tenant}`, 'host: a']
    client.write(`GET / HTTP/1.1\r\n${lines.join('\r\n')}\r\n\r\n`)
    await until('the answer', () => client.received.includes('\r\n\r\n'))
    assert.match(client.received, /^HTTP\/1\.1 200 /)
    client.destroy()
  })

  test('is limited, refused and told endpoints like any other', async () => {
    const invalid = await send(port, { headers: ['x-tenant', 'x'.repeat(300)] })
    assert.equal(invalid.json.code, 'PARTITION_KEY_INVALID')
    const { json } = await send(port, {
      ...{ path: '/.well-known/cellplane/endpoints', headers: ['x-tenant', tenant] },
    })
    assert.deepEqual(
      json.endpoints.map(({ url }: { url: string }) => url),
      ['https://cell-0.example.com', 'https://cell-1.example.com'],
    )
  })

  test('goes to an alternate while the home is out, and through the router where no alternate may', async () => {
    fleet.publishOverlay({ unhealthy: [{ slot: 0, since: '2026-01-01T00:00:00Z', reason: 'dead' }] })
    const ask = (path: string) => send(port, { path, headers: ['x-tenant', tenant] })
    await until('the mark', async () => (await ask('/x')).headers['cellplane-cell'] === 'cell-1')
    assert.equal((await ask('/x')).headers.location, 'https://cell-1.example.com/x')
    const home = await ask('/home/x')
    assert.equal(home.status, 200)
    assert.equal(home.headers['cellplane-cell'], 'cell-0')
  })
})
