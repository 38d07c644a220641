/** The client against two real cells, with a router of a few lines between them that can lose one. */
import assert from 'node:assert/strict'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { after, afterEach, before, test } from 'node:test'
import { Pool } from 'pg'
import { startApi, startTestService, type TestCell, type TestService } from '../test-service.ts'
import { NotificationsError } from './call.ts'
import { NotificationsClient } from './notifications-client.ts'

const PUSH = { channel: 'push', to: 'device-1', body: 'hello' } as const

let service: TestService
const cells = new Map<string, TestCell>()
let router: Server
let url: string
/** Cells that do not answer. */
const down = new Set<string>()
/** Cells that take the next request, and whose answer is lost. */
const losing = new Set<string>()

before(async () => {
  service = await startTestService()
  const admin = new Pool({ connectionString: service.postgres.adminUrl, max: 1 })
  await admin.query('CREATE DATABASE second OWNER app')
  await admin.end()
  cells.set('cell-001', await startApi(service))
  cells.set(
    'cell-002',
    await startApi(service, {
      CELLPLANE_CELL: 'cell-002',
      CELLPLANE_SLOT: '1',
      DATABASE_URL: service.postgres.url.replace(/\/app$/, '/second'),
    }),
  )
  router = createServer((request, response) => {
    const wanted = request.headers['x-cell'] as string | undefined
    const slot = /\/ntf_(\w)_/.exec(request.url ?? '')?.[1]
    const named = wanted ?? (slot && `cell-00${Number(slot) + 1}`)
    const cell = named ?? ['cell-001', 'cell-002'].find((id) => !down.has(id))!
    const problem = (code: string) =>
      response.writeHead(503, { 'retry-after': '0' }).end(JSON.stringify({ code, cell }))
    if (down.has(cell)) return problem('CELL_UNAVAILABLE')
    const chunks: Buffer[] = []
    request.on('data', (chunk: Buffer) => chunks.push(chunk))
    request.on('end', async () => {
      const { authorization, 'idempotency-key': key, 'content-type': type } = request.headers
      const headers = service.routed('acme', 'cell-001,cell-002', cell)
      const answer = await fetch(new URL(request.url ?? '/', cells.get(cell)!.url), {
        method: request.method ?? 'GET',
        headers: {
          ...headers,
          ...(authorization && { authorization }),
          ...(typeof key === 'string' && { 'idempotency-key': key }),
          ...(type && { 'content-type': type }),
        },
        body: chunks.length > 0 ? Buffer.concat(chunks) : null,
      })
      if (losing.delete(cell)) return problem('UPSTREAM_INVALID')
      return response
        .writeHead(answer.status, { 'content-type': 'application/json' })
        .end(await answer.text())
    })
    return undefined
  })
  await new Promise<void>((resolve) => router.listen(0, '127.0.0.1', resolve))
  url = `http://127.0.0.1:${(router.address() as AddressInfo).port}`
})
after(async () => {
  router?.close()
  router?.closeAllConnections()
  for (const cell of cells.values()) await cell.stop()
  await service?.stop()
})
afterEach(() => {
  down.clear()
  losing.clear()
})

const client = () => new NotificationsClient({ url, token: () => service.token('acme') })

async function countOf(cell: string, key: string): Promise<number> {
  const [row] = await cells
    .get(cell)!
    .database.query<{ count: number }>(
      'SELECT count(*)::int AS count FROM notification WHERE idempotency_key = $1',
      [key],
    )
  return row!.count
}

test('what is sent can be read', async () => {
  const { id, status } = await client().send(PUSH)
  assert.equal(status, 'queued')
  const read = await client().get(id)
  assert.equal(read.body, 'hello')
  assert.deepEqual(await client().attempts(id), [])
})

test('an answer that got lost is asked for again, under the same key: one notification', async () => {
  losing.add('cell-001')
  await client().send(PUSH, { idempotencyKey: 'lost-answer' })
  assert.equal(await countOf('cell-001', 'lost-answer'), 1)
})

test('with the home gone after it accepted, the retry leaves two ids with one delivery key', async () => {
  losing.add('cell-001')
  const sending = client().send(PUSH, { idempotencyKey: 'home-died' })
  while ((await countOf('cell-001', 'home-died')) === 0) await new Promise(setImmediate)
  down.add('cell-001')
  const { id } = await sending
  const counts = [await countOf('cell-001', 'home-died'), await countOf('cell-002', 'home-died')]
  if (id.startsWith('ntf_1_')) assert.deepEqual(counts, [1, 1])
  const keys = new Set<string>()
  for (const cell of cells.values()) {
    for (const { delivery_key } of await cell.database.query<{ delivery_key: string }>(
      `SELECT delivery_key FROM notification WHERE idempotency_key = 'home-died'`,
    ))
      keys.add(delivery_key)
  }
  assert.equal(keys.size, 1)
})

test('a template travels to whichever cell lacks it, by itself', async () => {
  const message = {
    channel: 'push',
    to: 'device-1',
    template: { body: 'Hi {{name}}' },
    data: { name: 'Ada' },
  } as const
  const first = await client().send(message)
  assert.equal((await client().get(first.id)).body, 'Hi Ada')
  down.add('cell-001')
  const second = await client().send(message)
  assert.match(second.id, /^ntf_1_/)
  assert.equal((await client().get(second.id)).body, 'Hi Ada')
})

test('a list puts the tenant’s cells together; a cell that is down is named, and its part comes later', async () => {
  down.add('cell-001')
  for (let i = 0; i < 5; i++) await client().send({ ...PUSH, body: `second ${i}` })
  down.clear()
  for (let i = 0; i < 5; i++) await client().send({ ...PUSH, body: `first ${i}` })

  const ids: string[] = []
  let cursor: string | undefined
  for (;;) {
    const page = await client().list({ limit: 4, ...(cursor && { cursor }) })
    ids.push(...page.items.map(({ id }) => id))
    assert.deepEqual(page.unreachable, [])
    if (page.next === null) {
      assert.equal(page.complete, true)
      break
    }
    assert.equal(page.complete, false)
    cursor = page.next
  }
  assert.equal(new Set(ids).size, ids.length)
  const bySlot = (slot: number) => ids.filter((id) => id.startsWith(`ntf_${slot}_`)).length
  assert.ok(bySlot(0) >= 5 && bySlot(1) >= 5)

  down.add('cell-002')
  const partial = await client().list({ limit: 200 })
  assert.deepEqual(partial.unreachable, ['cell-002'])
  assert.equal(partial.complete, false)
  assert.equal(partial.next, null, 'a loop over pages ends even while a cell is down')
  assert.ok(partial.items.every(({ id }) => id.startsWith('ntf_0_')))
})

test('a read of what only a dead cell holds is a named error, not "not found"', async () => {
  const { id } = await client().send(PUSH)
  down.add('cell-001')
  await assert.rejects(client().get(id), (error: NotificationsError) => {
    assert.equal(error.code, 'CELL_UNAVAILABLE')
    assert.equal(error.cell, 'cell-001')
    return true
  })
})

test('what the API refuses is not repeated, and says why', async () => {
  await assert.rejects(client().send({ ...PUSH, to: 'two words' }), { code: 'INVALID_REQUEST', status: 400 })
  const stranger = new NotificationsClient({ url, token: 'a.b.c' })
  await assert.rejects(stranger.send(PUSH), { code: 'TOKEN_INVALID', status: 401 })
})

test('nobody there is NO_ANSWER; an abort ends the waiting', async () => {
  const nobody = new NotificationsClient({ url: 'http://127.0.0.1:9', token: 'a.b.c' })
  await assert.rejects(nobody.get('ntf_0_x', AbortSignal.timeout(50)), (error: NotificationsError) => {
    assert.ok(error instanceof NotificationsError)
    assert.equal(error.code, 'NO_ANSWER')
    return true
  })
})
