import assert from 'node:assert/strict'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { type TestContext, test } from 'node:test'
import { problemDetails } from '@cellplane/contract'
import { json, startTestServer, type TestServer } from '../testing-server.ts'
import { EndpointsError, endpointsFromToken, tenantEndpoints } from './tenant-endpoints.ts'
import { createTenantFetch } from './tenant-fetch.ts'

const tokenWith = (claims: unknown) =>
  `eyJhbGciOiJFZERTQSJ9.${Buffer.from(JSON.stringify(claims)).toString('base64url')}.c2ln`

const PLAIN_TOKEN = tokenWith({ customer_id: 'acme' })

async function start(
  t: TestContext,
  answer: (request: IncomingMessage, response: ServerResponse, body: string) => void,
): Promise<TestServer> {
  const server = await startTestServer(answer)
  t.after(server.stop)
  return server
}

/** A cell that answers with its name; `status` may change while the test runs. */
async function startCell(t: TestContext, name: string) {
  const cell = {
    status: 200,
    code: 'OVERLOADED' as 'OVERLOADED' | 'CELL_UNAVAILABLE' | 'MISDIRECTED',
    bodies: [] as string[],
  }
  const server = await start(t, (_, response, body) => {
    cell.bodies.push(body)
    if (cell.status < 400) return json(response, cell.status, { cell: name })
    json(response, cell.status, { ...problemDetails(cell.code, 'planted'), status: cell.status })
  })
  return Object.assign(cell, { ...server, name })
}

/** A router that names these cells to whoever shows the token. */
async function startRouter(
  t: TestContext,
  endpoints: () => { cell: string; url: string }[],
  ttlSeconds = 60,
) {
  return await start(t, (request, response) => {
    if (request.headers.authorization !== `Bearer ${PLAIN_TOKEN}`) {
      return json(response, 401, problemDetails('TOKEN_INVALID', 'the token was not accepted'))
    }
    json(response, 200, { tenant: 'acme', generation: 0, endpoints: endpoints(), ttl_seconds: ttlSeconds })
  })
}

const cellOf = async (response: Response) => ((await response.json()) as { cell: string }).cell

test('a token that carries endpoints names them, home first', () => {
  const endpoints = [
    { cell: 'cell-001', url: 'https://cell-001.example.com' },
    { cell: 'cell-002', url: 'https://cell-002.example.com' },
  ]
  assert.deepEqual(endpointsFromToken(tokenWith({ cell_endpoints: endpoints, name: 'Zoë' })), endpoints)
})

test('a token without usable endpoints names none', () => {
  for (const token of [
    '',
    'not-a-token',
    'a.%%%.c',
    `a.${Buffer.from('nonsense').toString('base64url')}.c`,
    `a.${Buffer.from('null').toString('base64url')}.c`,
    tokenWith({}),
    tokenWith({ cell_endpoints: [] }),
    tokenWith({ cell_endpoints: 'https://evil.example' }),
    tokenWith({ cell_endpoints: [{ cell: 'cell-001', url: 'javascript:alert(1)' }] }),
    tokenWith({
      cell_endpoints: Array.from({ length: 1000 }, (_, i) => ({ cell: `c${i}`, url: 'http://x' })),
    }),
  ]) {
    assert.equal(endpointsFromToken(token), undefined, token.slice(0, 40))
  }
})

test('a router names the endpoints of the token’s own tenant', async (t) => {
  const router = await startRouter(t, () => [{ cell: 'cell-001', url: 'http://127.0.0.1:1' }])
  const answer = await tenantEndpoints({ routerUrl: router.url, token: PLAIN_TOKEN })
  assert.equal(answer.tenant, 'acme')
  assert.deepEqual(router.seen, ['GET /.well-known/cellplane/endpoints'])
  await assert.rejects(tenantEndpoints({ routerUrl: router.url, token: 'forged' }), (error) => {
    assert.ok(error instanceof EndpointsError)
    assert.equal(error.code, 'TOKEN_INVALID')
    return true
  })
})

test('an answer that is no list of endpoints is refused', async (t) => {
  for (const body of ['{}', '<html>', '{"tenant":"a","generation":0,"endpoints":[],"ttl_seconds":1}']) {
    const router = await start(t, (_, response) => response.end(body))
    await assert.rejects(tenantEndpoints({ routerUrl: router.url, token: 'x' }), { code: 'ANSWER_INVALID' })
  }
})

test('a request goes to the home, with the tenant’s token, and the router is asked once', async (t) => {
  const [home, other] = [await startCell(t, 'cell-001'), await startCell(t, 'cell-002')]
  const router = await startRouter(t, () => [
    { cell: 'cell-001', url: home.url },
    { cell: 'cell-002', url: other.url },
  ])
  const tenantFetch = createTenantFetch({ routerUrl: router.url, token: () => PLAIN_TOKEN })
  const answers = await Promise.all([tenantFetch('/a'), tenantFetch('/b')])
  assert.deepEqual(await Promise.all(answers.map(cellOf)), ['cell-001', 'cell-001'])
  assert.equal(router.seen.length, 1)
  assert.deepEqual(other.seen, [])
})

test('when the home is gone, reads and keyed writes go to the next cell; a write without a key fails', async (t) => {
  const [home, other] = [await startCell(t, 'cell-001'), await startCell(t, 'cell-002')]
  const token = tokenWith({
    cell_endpoints: [
      { cell: 'cell-001', url: home.url },
      { cell: 'cell-002', url: other.url },
    ],
  })
  const freshFetch = () => createTenantFetch({ routerUrl: 'http://127.0.0.1:1', token })
  await home.stop()
  assert.equal(await cellOf(await freshFetch()('/v1/things')), 'cell-002')
  const keyed = { method: 'POST', body: 'x', headers: { 'idempotency-key': 'k1' } }
  assert.equal(await cellOf(await freshFetch()('/v1/things', keyed)), 'cell-002')
  assert.deepEqual(other.bodies, ['', 'x'])
  await assert.rejects(freshFetch()('/v1/things', { method: 'POST', body: 'x' }), TypeError)
  const stream = new Blob(['x']).stream()
  const streamed = { ...keyed, body: stream, duplex: 'half' } as RequestInit
  await assert.rejects(freshFetch()('/v1/things', streamed), TypeError)
  assert.equal(other.bodies.length, 2)
})

test('a cell that failed is asked last for a while, and first again afterwards', async (t) => {
  let now = 0
  const [home, other] = [await startCell(t, 'cell-001'), await startCell(t, 'cell-002')]
  const token = tokenWith({
    cell_endpoints: [
      { cell: 'cell-001', url: home.url },
      { cell: 'cell-002', url: other.url },
    ],
  })
  const tenantFetch = createTenantFetch({ routerUrl: 'http://127.0.0.1:1', token, now: () => now })
  home.status = 503
  assert.equal(await cellOf(await tenantFetch('/1')), 'cell-002')
  home.status = 200
  assert.equal(await cellOf(await tenantFetch('/2')), 'cell-002')
  assert.deepEqual(home.seen, ['GET /1'])
  now += 10_001
  assert.equal(await cellOf(await tenantFetch('/3')), 'cell-001')
})

test('when every cell is unavailable the caller gets the last answer', async (t) => {
  const cells = [await startCell(t, 'cell-001'), await startCell(t, 'cell-002')]
  for (const cell of cells) cell.status = 503
  const token = tokenWith({ cell_endpoints: cells.map(({ name, url }) => ({ cell: name, url })) })
  const answer = await createTenantFetch({ routerUrl: 'http://127.0.0.1:1', token })('/x')
  assert.equal(answer.status, 503)
  assert.deepEqual(
    cells.map((cell) => cell.seen.length),
    [1, 1],
  )
})

test('a 503 that names the cell of an id is an answer: no other cell has the record', async (t) => {
  const [home, other] = [await startCell(t, 'cell-001'), await startCell(t, 'cell-002')]
  Object.assign(home, { status: 503, code: 'CELL_UNAVAILABLE' })
  const token = tokenWith({
    cell_endpoints: [
      { cell: 'cell-001', url: home.url },
      { cell: 'cell-002', url: other.url },
    ],
  })
  const answer = await createTenantFetch({ routerUrl: 'http://127.0.0.1:1', token })('/v1/things/ntf_0_x')
  assert.equal(((await answer.json()) as { code: string }).code, 'CELL_UNAVAILABLE')
  assert.deepEqual(other.seen, [])
})

test('a cell that is not the home any more makes the client ask a router, once, and go there', async (t) => {
  const [former, home] = [await startCell(t, 'cell-001'), await startCell(t, 'cell-002')]
  Object.assign(former, { status: 421, code: 'MISDIRECTED' })
  const token = PLAIN_TOKEN
  let named = former
  const router = await startRouter(t, () => [{ cell: named.name, url: named.url }])
  const tenantFetch = createTenantFetch({ routerUrl: router.url, token })
  assert.equal((await tenantFetch('/1', { method: 'POST', body: 'x' })).status, 421)
  // Twice from here; fetch itself doubles each, since its standard has it try 421 again on a new connection.
  assert.deepEqual([former.seen.length, router.seen.length], [4, 2])
  assert.equal(home.seen.length, 0)
  named = home
  assert.equal(await cellOf(await tenantFetch('/2', { method: 'POST', body: 'x' })), 'cell-002')
})

test('while no router answers, the endpoints known last stay in use', async (t) => {
  let now = 0
  const home = await startCell(t, 'cell-001')
  const router = await startRouter(t, () => [{ cell: 'cell-001', url: home.url }], 5)
  const tenantFetch = createTenantFetch({ routerUrl: router.url, token: PLAIN_TOKEN, now: () => now })
  await tenantFetch('/1')
  await router.stop()
  now += 6_000
  assert.equal(await cellOf(await tenantFetch('/2')), 'cell-001')
  const unknown = createTenantFetch({ routerUrl: router.url, token: PLAIN_TOKEN })
  await assert.rejects(unknown('/1'), { code: 'UNREACHABLE' })
})

test('an abort ends the request and is not taken for a dead cell', async (t) => {
  const silent = await start(t, () => {})
  const other = await startCell(t, 'cell-002')
  const token = tokenWith({
    cell_endpoints: [
      { cell: 'cell-001', url: silent.url },
      { cell: 'cell-002', url: other.url },
    ],
  })
  const tenantFetch = createTenantFetch({ routerUrl: 'http://127.0.0.1:1', token })
  await assert.rejects(tenantFetch('/x', { signal: AbortSignal.timeout(20) }), { name: 'TimeoutError' })
  assert.deepEqual(other.seen, [])
  await assert.rejects(tenantFetch('http://elsewhere/'), TypeError)
})

test('a cell that says nothing is left for the next one in time', async (t) => {
  const silent = await start(t, () => {})
  const other = await startCell(t, 'cell-002')
  const token = tokenWith({
    cell_endpoints: [
      { cell: 'cell-001', url: silent.url },
      { cell: 'cell-002', url: other.url },
    ],
  })
  const tenantFetch = createTenantFetch({ routerUrl: 'http://127.0.0.1:1', token, attemptTimeoutMs: 50 })
  assert.equal(await cellOf(await tenantFetch('/x')), 'cell-002')
})
