import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { encodeTable, formatCellNamingId } from '@cellplane/contract'
import { send } from '../testing/client.ts'
import { type FakeFleet, startFakeFleet } from '../testing/fake-fleet.ts'
import { until } from '../testing/wait.ts'

describe('a request finds its cell', () => {
  let fleet: FakeFleet
  let port: number
  before(async () => {
    fleet = await startFakeFleet({
      base: {
        partition_key: [
          { from: 'header', name: 'x-tenant' },
          { from: 'subdomain', domain: 'example.com' },
          { from: 'path', prefix: '/t/' },
        ],
      },
    })
    port = (await fleet.startRouter()).port
    await until('a topology', async () => (await send(port)).status === 200)
  })
  after(() => fleet.stop())

  test('by header, subdomain or path: the same key goes to the same home', async () => {
    const tenant = fleet.tenantOn(2, 0)
    for (const sent of [
      { headers: ['x-tenant', tenant] },
      { headers: ['host', `${tenant}.example.com:7480`] },
      { path: `/t/${tenant}/orders?page=2` },
    ]) {
      const { status, headers, json } = await send(port, sent)
      assert.equal(status, 200)
      assert.equal(json.cell, 'cell-2')
      assert.equal(headers['cellplane-cell'], 'cell-2')
      assert.equal(json.headers['cellplane-tenant'], tenant)
      assert.equal(json.path, sent.path ?? '/')
    }
  })

  test('without a key it fails open by the source address, and no tenant is named', async () => {
    const answers = await Promise.all(Array.from({ length: 5 }, () => send(port)))
    assert.equal(new Set(answers.map(({ json }) => json.cell)).size, 1)
    for (const { json } of answers) assert.equal(json.headers['cellplane-tenant'], undefined)
  })

  test('a broken key is refused and does not fall through to another rule', async () => {
    const path = `/t/${fleet.tenantOn(0, 1)}/`
    for (const key of ['', 'x'.repeat(10_240), 'a\tb', ' ']) {
      const { status, headers, json } = await send(port, { path, headers: ['x-tenant', key] })
      assert.equal(status, 400, JSON.stringify(key.slice(0, 20)))
      assert.equal(json.code, 'PARTITION_KEY_INVALID')
      assert.equal(headers['content-type'], 'application/problem+json')
      assert.equal(json.request_id, headers['x-request-id'])
    }
  })

  test('a header that decides is refused when it is there twice', async () => {
    for (const name of ['x-tenant', 'authorization', 'idempotency-key', 'x-cell']) {
      const { status, json } = await send(port, { headers: [name, 'a', name, 'b'] })
      assert.equal(status, 400, name)
      assert.match(json.detail, new RegExp(name))
    }
  })

  test('a key beyond ASCII is hashed and handed on as UTF-8', async () => {
    const { json } = await send(port, {
      headers: ['x-tenant', Buffer.from('mühle-東京').toString('latin1')],
    })
    assert.equal(Buffer.from(json.headers['cellplane-tenant'], 'latin1').toString('utf8'), 'mühle-東京')
  })

  test('what only a router may say is taken off a request and said by the router', async () => {
    const tenant = fleet.tenantOn(1, 2)
    const { json } = await send(port, {
      headers: [
        ...['x-tenant', tenant, 'Cellplane-Tenant', 'victim', 'cellplane_tenant', 'victim'],
        ...['cellplane-secret', 'guess', 'cellplane-anything', '1', 'x-forwarded-for', '1.2.3.4'],
        ...['x_forwarded_for', '1.2.3.4', 'cellplane-generation', '9', 'forwarded', 'for=1.2.3.4'],
      ],
    })
    const { headers } = json
    assert.equal(headers['cellplane-tenant'], tenant)
    assert.equal(headers['cellplane-cell'], 'cell-1')
    assert.equal(headers['cellplane-role'], 'home')
    assert.equal(headers['cellplane-generation'], '0')
    assert.equal(headers['cellplane-shard'], 'cell-1,cell-2')
    assert.equal(headers['cellplane-secret'], fleet.secretOf(fleet.cells[1]!))
    assert.equal(headers['x-forwarded-for'], '127.0.0.1')
    assert.equal(headers['x-forwarded-proto'], 'http')
    assert.equal(headers['x-forwarded-host'], 'router.test')
    assert.equal(headers.host, 'router.test')
    assert.equal(headers['cellplane-attempt'], undefined)
    assert.doesNotMatch(JSON.stringify(json.rawHeaders), /victim|guess|anything|1\.2\.3\.4/)
  })

  test('headers of the client’s connection end at the router, the others pass as they were', async () => {
    const { json } = await send(port, {
      headers: [
        ...[
          'connection',
          'close, x-mine, authorization',
          'x-mine',
          '1',
          'te',
          'trailers',
          'expect',
          '100-continue',
        ],
        ...['keep-alive', 'timeout=9', 'X-Twice', 'a', 'X-Twice', 'b', 'authorization', 'Basic abc'],
      ],
    })
    for (const name of ['x-mine', 'te', 'expect', 'keep-alive'])
      assert.equal(json.headers[name], undefined, name)
    assert.equal(json.headers['x-twice'], 'a, b')
    assert.equal(json.headers.authorization, 'Basic abc')
  })

  test('a secret in a cell’s answer does not reach the client', async () => {
    assert.equal((await send(port)).headers['cellplane-secret'], undefined)
  })

  test('a sane request id and trace are kept; others are replaced', async () => {
    const trace = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01'
    const kept = await send(port, {
      headers: ['x-request-id', 'abc-1', 'traceparent', trace, 'tracestate', 'a=b'],
    })
    assert.equal(kept.headers['x-request-id'], 'abc-1')
    assert.equal(kept.json.headers['x-request-id'], 'abc-1')
    assert.equal(kept.json.headers.traceparent, trace)
    assert.equal(kept.json.headers.tracestate, 'a=b')
    const replaced = await send(port, {
      headers: [
        'x-request-id',
        'a b"',
        'traceparent',
        `00-${'0'.repeat(32)}-b7ad6b7169203331-01`,
        'tracestate',
        'a=b',
      ],
    })
    assert.match(replaced.headers['x-request-id'] as string, /^[0-9a-f]{32}$/)
    assert.match(replaced.json.headers.traceparent, /^00-(?!0{32})[0-9a-f]{32}-[0-9a-f]{16}-01$/)
    assert.equal(replaced.json.headers.tracestate, undefined)
  })

  test('bodies pass whole, with a length or chunked, for every method', async () => {
    const large = 'x'.repeat(300_000)
    for (const method of ['POST', 'PUT', 'PATCH', 'DELETE']) {
      const { json } = await send(port, { method, body: large })
      assert.equal(json.body.length, large.length, method)
      assert.equal(json.headers['content-length'], String(large.length))
    }
    const chunked = await send(port, { method: 'DELETE', headers: ['transfer-encoding', 'chunked'] })
    assert.equal(chunked.json.headers['transfer-encoding'], 'chunked')
    const none = await send(port, { method: 'POST', headers: ['content-length', '0'] })
    assert.equal(none.json.headers['content-length'], '0')
  })

  test('a tenant is told its own endpoints, a stranger none', async () => {
    const tenant = fleet.tenantOn(0, 2)
    const path = '/.well-known/cellplane/endpoints'
    const { status, json } = await send(port, { path, headers: ['x-tenant', tenant] })
    assert.equal(status, 200)
    assert.deepEqual(json, {
      tenant,
      generation: 0,
      endpoints: [0, 2].map((i) => ({ cell: fleet.cells[i]!.id, url: fleet.cells[i]!.url })),
      ttl_seconds: 60,
    })
    const stranger = await send(port, { path })
    assert.equal(stranger.status, 401)
    assert.equal(stranger.headers['www-authenticate'], 'Bearer')
    assert.equal((await send(port, { path, method: 'POST', headers: ['x-tenant', tenant] })).status, 405)
  })

  test('x-cell is honoured inside the tenant’s shard and refused outside', async () => {
    const tenant = fleet.tenantOn(0, 1)
    const wanted = (cell: string) => send(port, { headers: ['x-tenant', tenant, 'x-cell', cell] })
    const inside = await wanted('cell-1')
    assert.equal(inside.json.cell, 'cell-1')
    assert.equal(inside.json.headers['cellplane-role'], 'alternate')
    assert.equal(inside.json.headers['x-cell'], undefined)
    for (const cell of ['cell-2', 'nowhere']) {
      const outside = await wanted(cell)
      assert.equal(outside.status, 400)
      assert.match(outside.json.detail, /cell-0, cell-1/)
    }
  })

  test('an id goes to the cell that it names; a strange one falls through to the home', async () => {
    const tenant = fleet.tenantOn(0, 1)
    const read = (id: string) => send(port, { path: `/v1/things/${id}`, headers: ['x-tenant', tenant] })
    assert.equal((await read(formatCellNamingId('ntf', 1, 'r'))).json.cell, 'cell-1')
    assert.equal((await read(formatCellNamingId('ntf', 2, 'r'))).json.cell, 'cell-0')
    assert.equal((await read(formatCellNamingId('ntf', 999, 'r'))).json.cell, 'cell-0')
    assert.equal((await read('no-id')).json.cell, 'cell-0')
  })

  test('a whole URL as request target is read as its path', async () => {
    const { json } = await send(port, { path: `http://router.test/t/${fleet.tenantOn(2, 1)}/a?b` })
    assert.equal(json.cell, 'cell-2')
    assert.match(json.path, /^\/t\/.*\/a\?b$/)
  })
})

test('an id is read from a former cell of the tenant, after the tenant has moved', async () => {
  const fleet = await startFakeFleet()
  try {
    const { port } = await fleet.startRouter()
    await until('a topology', async () => (await send(port)).status === 200)
    const tenant = fleet.tenantOn(0, 1)
    const slots = Uint16Array.from({ length: 128 }, (_, i) => (i % 2 === 0 ? 2 : 1))
    const former = { version: 1, until: '2099-01-01T00:00:00Z', table: encodeTable(slots) }
    fleet.publishBase({ former_tables: [former] })
    const headers = ['x-tenant', tenant]
    const answer = await until('the new base', async () => {
      const read = await send(port, { path: `/v1/things/${formatCellNamingId('ntf', 2, 'r')}`, headers })
      return read.json.cell === 'cell-2' && read
    })
    assert.equal(answer.json.headers['cellplane-shard'], 'cell-0,cell-1,cell-2')
    assert.equal((await send(port, { headers })).json.cell, 'cell-0')
  } finally {
    await fleet.stop()
  }
})

test('pins, assignments and quarantine decide before the table, each with its generation', async () => {
  const fleet = await startFakeFleet()
  try {
    const [pinned, poison] = [fleet.tenantOn(0, 1), fleet.tenantOn(0, 1, 1)]
    const base = fleet.buildBase()
    fleet.publishBase({
      cells: [...base.cells.slice(0, 2), { ...base.cells[2]!, role: 'quarantine' }],
      table: encodeTable(Uint16Array.from({ length: 128 }, (_, i) => i % 2)),
      overrides: [{ tenant: pinned, cells: [1, 0], reason: 'pin', generation: 4 }],
      quarantine: { cell: 2 },
    })
    const { port } = await fleet.startRouter()
    const ask = (tenant: string) => send(port, { headers: ['x-tenant', tenant] })
    const { json } = await until('a topology', async () => {
      const answer = await ask(pinned)
      return answer.status === 200 && answer
    })
    assert.equal(json.cell, 'cell-1')
    assert.equal(json.headers['cellplane-role'], 'home')
    assert.equal(json.headers['cellplane-generation'], '4')
    fleet.publishOverlay({
      quarantined: [{ tenant: poison, since: '2026-01-01T00:00:00Z', reason: 'crashes cells' }],
    })
    const moved = await until('the quarantine', async () => {
      const answer = await ask(poison)
      return answer.json.cell === 'cell-2' && answer
    })
    assert.equal(moved.json.headers['cellplane-shard'], 'cell-2,cell-0,cell-1')
    // What it stored before is still where it was.
    const read = await send(port, { path: '/v1/things/ntf_1_r', headers: ['x-tenant', poison] })
    assert.equal(read.json.cell, 'cell-1')
  } finally {
    await fleet.stop()
  }
})
