/** The API's gates: who calls, what may they, is the input valid; and the documents' tags and events. */
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { formatProblems, parseWith } from '@cellplane/contract'
import { OPERATIONS, type Operation, type OperationName, TOPOLOGY_EVENTS_PATH } from '@cellplane/contract/api'
import { startTestPostgres, type TestPostgres } from '@cellplane/postgres'
import {
  type ControlFixture,
  createControlFixture,
  hostReport,
  pathsOf,
} from '../fixtures/control-fixture.ts'

let postgres: TestPostgres
let fixture: ControlFixture

before(async () => {
  postgres = await startTestPostgres()
  fixture = await createControlFixture(postgres.url)
  await fixture.startFleet()
})
after(async () => {
  await fixture?.remove()
  await postgres.stop()
})

const PARAMS = { cell: 'cell-001', tenant: 'acme', host: 'local', version: 1, zone: 'local', plan: 'none' }
const operations = Object.entries<Operation>(OPERATIONS) as [OperationName, Operation][]

test('without a token, or with one that is unknown or malformed, nothing is answered', async () => {
  for (const [name] of operations) {
    const unknown = await fixture.call(name, { params: PARAMS, token: 'x'.repeat(24) })
    assert.deepEqual([unknown.status, unknown.body.code], [401, 'TOKEN_INVALID'], name)
  }
  const get = (headers: Record<string, string>) => fetch(`${fixture.url()}/v1/cells`, { headers })
  const missing = await get({})
  assert.equal(missing.status, 401)
  assert.match(missing.headers.get('www-authenticate') ?? '', /^Bearer/)
  assert.equal(missing.headers.get('content-type'), 'application/problem+json')
  assert.equal((await missing.json()).code, 'TOKEN_MISSING')
  for (const authorization of ['Basic abc', 'Bearer', 'Bearer a b', `Bearer ${'x'.repeat(8000)}`]) {
    assert.equal((await (await get({ authorization })).json()).code, 'TOKEN_INVALID')
  }
})

test('each role may do what its row of the table says, and nothing else', async () => {
  for (const [name, operation] of operations) {
    for (const role of ['admin', 'reader', 'router', 'host'] as const) {
      // A body that no schema takes: who passes the gate is told of that, and changes nothing.
      const body = operation.method === 'get' || operation.method === 'delete' ? undefined : '[]'
      const query = operation.method === 'delete' ? { reason: '' } : {}
      const { status } = await fixture.call(name, { role, params: PARAMS, query, ...(body ? { body } : {}) })
      assert.equal(status === 403, !operation.roles.includes(role), `${role} ${name}: ${status}`)
    }
  }
  const events = await fetch(`${fixture.url()}${TOPOLOGY_EVENTS_PATH}`, {
    headers: { authorization: `Bearer ${fixture.token('host')}` },
  })
  assert.equal(events.status, 403)
})

test('every problem of a request is named with its path', async () => {
  const answer = await fixture.call('addCell', {
    body: { id: 'Not A Label', weight: 'heavy', capacity: { in_flight: -1, latency: 5 }, colour: 'red' },
  })
  assert.deepEqual([answer.status, answer.body.code], [400, 'INVALID_REQUEST'])
  assert.deepEqual(pathsOf(answer.body.problems), [
    'capacity.in_flight',
    'capacity.latency',
    'colour',
    'id',
    'weight',
  ])
  const both = await fixture.call('pinTenant', {
    params: { tenant: 'x'.repeat(10_240) },
    body: { cells: [], reason: '' },
  })
  assert.deepEqual(pathsOf(both.body.problems), ['cells', 'path.tenant', 'reason'])
  // PostgreSQL keeps such text and then cannot take it apart; see the store's first migration.
  for (const odd of ['a\u0000b', 'a\ud800', '\udc00b']) {
    const body = JSON.stringify({ cells: ['cell-001'], reason: odd })
    const refused = await fixture.call('pinTenant', { params: { tenant: 'a' }, body })
    assert.deepEqual([refused.status, pathsOf(refused.body.problems)], [400, ['reason']], body)
  }
  const query = await fixture.call('listTenants', { query: { limit: 5000, offset: 3 } })
  assert.deepEqual(pathsOf(query.body.problems), ['query.limit', 'query.offset'])
})

test('a body that is no JSON, cut off or too large is refused as such', async () => {
  const cut = await fixture.call('addCell', { body: '{"id": "cell-0' })
  assert.deepEqual([cut.status, cut.body.problems[0].code], [400, 'INVALID_JSON'])
  const large = await fixture.call('addCell', { body: `{"reason": "${'x'.repeat(1024 * 1024)}"}` })
  assert.deepEqual([large.status, large.body.code], [413, 'BODY_TOO_LARGE'])
})

test('garbage reports are refused and change nothing', async () => {
  const before = (await fixture.call('listCells')).body
  const cell = fixture.cells.get('cell-001')!
  const report = hostReport([cell])
  const garbage: [unknown, number][] = [
    [{}, 400],
    [{ ...report, cells: [{ ...report.cells[0], slot: 70_000 }] }, 400],
    [{ ...report, cells: [{ ...report.cells[0], endpoint: 'not a url' }] }, 400],
    [{ ...report, host: 'elsewhere' }, 400],
  ]
  for (const [body, status] of garbage) {
    assert.equal(
      (await fixture.call('reportHost', { role: 'host', params: { host: 'local' }, body })).status,
      status,
    )
  }
  const stranger = { ...report, host: 'elsewhere' }
  const unknown = await fixture.call('reportHost', {
    role: 'host',
    params: { host: 'elsewhere' },
    body: stranger,
  })
  assert.equal(unknown.status, 404)
  const router = await fixture.call('reportRouter', { role: 'router', body: { router: 'r', cells: 'many' } })
  assert.equal(router.status, 400)
  assert.deepEqual((await fixture.call('listCells')).body, before)
})

test('an unknown path is 404, an unknown method 405 with those that are offered', async () => {
  const headers = { authorization: `Bearer ${fixture.token('admin')}` }
  assert.equal((await fetch(`${fixture.url()}/v1/nothing`, { headers })).status, 404)
  const wrong = await fetch(`${fixture.url()}/v1/cells`, { headers, method: 'DELETE' })
  assert.deepEqual([wrong.status, wrong.headers.get('allow')], [405, 'GET, POST'])
})

test('every read answers what the table says', async () => {
  for (const [name, operation] of operations) {
    if (operation.method !== 'get') continue
    const role = operation.roles[0]!
    const { status, body } = await fixture.call(name, { role, params: PARAMS })
    assert.equal(status, 200, `${name}: ${JSON.stringify(body)}`)
    assert.ok(operation.answer)
    const parsed = parseWith(operation.answer, body)
    assert.ok(parsed.ok, `${name}: ${parsed.ok ? '' : formatProblems(parsed.problems)}`)
  }
})

test('a document that the caller has is 304', async () => {
  for (const name of ['getBase', 'getOverlay', 'getHostOrder', 'getVersion'] as const) {
    const { headers } = await fixture.call(name, { params: PARAMS })
    const etag = headers.get('etag')
    assert.ok(etag)
    const again = await fetch(
      `${fixture.url()}${OPERATIONS[name].path.replace('{host}', 'local').replace('{version}', '1')}`,
      { headers: { authorization: `Bearer ${fixture.token('admin')}`, 'if-none-match': etag } },
    )
    assert.equal(again.status, 304, name)
  }
})

test('a changed order answers a waiting host at once', async () => {
  const params = { host: 'local' }
  const etag = (await fixture.call('getHostOrder', { params })).headers.get('etag') ?? ''
  const waiting = fixture.call('getHostOrder', {
    role: 'host',
    params,
    query: { wait: 20 },
    headers: { 'if-none-match': etag },
  })
  const added = await fixture.call('addCell', { body: {} })
  const { status, body } = await waiting
  assert.equal(status, 200)
  assert.equal(body.cells.at(-1).id, added.body.id)
})

test('only the host that runs a cell gets its secrets', async () => {
  const mine = await fixture.call('getCellCredentials', { role: 'host', params: PARAMS })
  assert.equal(mine.body.router_secrets[0].length, 43)
  const other = await fixture.call('getCellCredentials', {
    role: 'host',
    params: { ...PARAMS, host: 'elsewhere' },
  })
  assert.equal(other.status, 404)
})

test('a new document is pushed to subscribers, who first hear what there is', async () => {
  const stopped = new AbortController()
  const response = await fetch(`${fixture.url()}${TOPOLOGY_EVENTS_PATH}`, {
    headers: { authorization: `Bearer ${fixture.token('router')}` },
    signal: stopped.signal,
  })
  let text = ''
  const reading = (async () => {
    for await (const chunk of response.body!.pipeThrough(new TextDecoderStream())) text += chunk
  })().catch(() => {})
  const { base } = await fixture.status()
  await fixture.waitFor('what there is', () =>
    text.includes(`event: base\ndata: {"epoch":1,"version":${base.version}}`),
  )
  await fixture.waitFor('a ping', () => text.includes(': ping'))
  await fixture.call('pinTenant', { params: PARAMS, body: { cells: ['cell-002'], reason: 'push' } })
  await fixture.waitFor('the push', () =>
    text.includes(`event: base\ndata: {"epoch":1,"version":${base.version + 1}}`),
  )
  stopped.abort()
  await reading
  await fixture.waitFor('the subscriber to be forgotten', async () =>
    /cellplane_control_subscribers 0/.test(await (await fetch(`${fixture.url()}/metrics`)).text()),
  )
})

test('the OpenAPI document is 3.1 and has every operation', async () => {
  const document = await (await fetch(`${fixture.url()}/openapi.json`)).json()
  assert.equal(document.openapi, '3.1.0')
  const ids = Object.values(
    document.paths as Record<string, Record<string, { operationId: string }>>,
  ).flatMap((methods) => Object.values(methods).map((operation) => operation.operationId))
  assert.deepEqual(ids.sort(), [...Object.keys(OPERATIONS), 'followTopology'].sort())
})
