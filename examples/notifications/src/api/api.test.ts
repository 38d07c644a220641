/** The API over real HTTP and PostgreSQL, without a worker: what is accepted stays queued and can be looked at. */
import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { after, before, test } from 'node:test'
import { waitFor } from '@cellplane/testing'
import { deliveryKey } from '../notification/delivery-key.ts'
import { PATIENCE_MS, startApi, startTestService, type TestCell, type TestService } from '../test-service.ts'

let service: TestService
let api: TestCell
before(async () => {
  service = await startTestService()
  api = await startApi(service)
})
after(async () => {
  await api?.stop()
  await service?.stop()
})

const PUSH = { channel: 'push', to: 'device-1', body: 'hello' }
const sha256 = (text: string) => createHash('sha256').update(text).digest('hex')

test('what was answered 202 is on disk: it survives a SIGKILL of PostgreSQL right after', async () => {
  const { status, body } = await api.send('durable', PUSH)
  assert.equal(status, 202)
  assert.match(String(body['id']), /^ntf_0_[0-9a-f]{32}$/)
  await service.postgres.kill()
  const down = await api.send('durable', PUSH)
  assert.equal(down.status, 503)
  assert.equal(down.body['code'], 'STORE_UNAVAILABLE')
  assert.equal(down.headers.get('retry-after'), '1')
  assert.equal((await fetch(`${api.url}/healthz`)).status, 503)
  await service.postgres.restart()
  const read = await waitFor('the API to reconnect', PATIENCE_MS, async () => {
    const answer = await api.ask('durable', `/v1/notifications/${body['id']}`)
    return answer.status !== 503 && answer
  })
  assert.equal(read.status, 200)
  assert.equal(read.body['status'], 'queued')
  assert.equal(read.body['body'], 'hello')
  const [row] = await api.database.query<{ count: number }>(
    'SELECT count(*)::int AS count FROM delivery WHERE notification_id = $1',
    [body['id']],
  )
  assert.equal(row?.count, 1)
})

test('the same key and request are answered as the first time, once in the queue', async () => {
  const key = { 'idempotency-key': 'invoice-7' }
  const first = await api.send('repeater', PUSH, key)
  const again = await api.send('repeater', { body: 'hello', to: 'device-1', channel: 'push' }, key)
  assert.deepEqual(again.body, first.body)
  assert.equal(again.status, 202)
  assert.equal(again.headers.get('idempotency-replayed'), 'true')
  const list = await api.ask('repeater', '/v1/notifications')
  assert.equal((list.body['items'] as unknown[]).length, 1)
})

test('ten requests with one key at the same time are one notification', async () => {
  const key = { 'idempotency-key': 'at-once' }
  const answers = await Promise.all(Array.from({ length: 10 }, () => api.send('racer', PUSH, key)))
  assert.deepEqual(new Set(answers.map(({ status }) => status)), new Set([202]))
  assert.equal(new Set(answers.map(({ body }) => body['id'])).size, 1)
})

test('the same key for another request is refused; another tenant’s same key is not', async () => {
  const key = { 'idempotency-key': 'shared-name' }
  const first = await api.send('one', PUSH, key)
  const reused = await api.send('one', { ...PUSH, body: 'something else' }, key)
  assert.equal(reused.status, 422)
  assert.equal(reused.body['code'], 'IDEMPOTENCY_KEY_REUSED')
  const other = await api.send('two', { ...PUSH, body: 'something else' }, key)
  assert.equal(other.status, 202)
  assert.notEqual(other.body['id'], first.body['id'])
})

test('the delivery key comes from tenant and Idempotency-Key, so every cell computes the same', async () => {
  const { body } = await api.send('keyed', PUSH, { 'idempotency-key': 'k-1' })
  const [row] = await api.database.query<{ delivery_key: string }>(
    'SELECT delivery_key FROM notification WHERE tenant = $1 AND id = $2',
    ['keyed', body['id']],
  )
  assert.equal(row?.delivery_key, deliveryKey('keyed', { idempotencyKey: 'k-1' }))
  assert.notEqual(deliveryKey('a', { idempotencyKey: 'k' }), deliveryKey('a', { id: 'k' }))
  assert.notEqual(deliveryKey('a', { idempotencyKey: 'k' }), deliveryKey('b', { idempotencyKey: 'k' }))
})

test('one tenant can never read another’s: notification, attempts, list, template', async () => {
  const { body } = await api.send('victim', PUSH)
  const template = JSON.stringify({ body: 'secret text' })
  await api.ask('victim', `/v1/templates/${sha256(template)}`, { method: 'PUT', body: template })
  for (const path of [
    `/v1/notifications/${body['id']}`,
    `/v1/notifications/${body['id']}/attempts`,
    `/v1/templates/${sha256(template)}`,
  ]) {
    assert.equal((await api.ask('victim', path)).status, 200, path)
    const stolen = await api.ask('thief', path)
    assert.equal(stolen.status, 404, path)
    assert.ok(!JSON.stringify(stolen.body).includes('secret text'))
  }
  const list = await api.ask('thief', '/v1/notifications')
  assert.deepEqual(list.body['items'], [])
  const send = { channel: 'push', to: 'device-1', template: sha256(template) }
  assert.equal((await api.send('thief', send)).body['code'], 'TEMPLATE_MISSING')
})

test('a list is paged newest first, each notification once', async () => {
  const sent: unknown[] = []
  for (let i = 0; i < 7; i++) sent.push((await api.send('lister', { ...PUSH, body: `n ${i}` })).body['id'])
  const seen: unknown[] = []
  let cursor = ''
  for (let pages = 0; pages < 10; pages++) {
    const { body } = await api.ask('lister', `/v1/notifications?limit=3${cursor}`, {
      headers: service.routed('lister', 'cell-001'),
    })
    seen.push(...(body['items'] as { id: string }[]).map(({ id }) => id))
    assert.equal(body['complete'], body['next'] === null)
    if (body['next'] === null) break
    cursor = `&cursor=${body['next']}`
  }
  // Within one millisecond the order is by chance.
  assert.deepEqual([...seen].sort(), [...sent].sort())
  assert.equal(new Set(seen).size, 7)
})

test('a list that is asked of a cell directly never says that it is all', async () => {
  const { body } = await api.ask('direct', '/v1/notifications')
  assert.deepEqual([body['items'], body['next'], body['complete']], [[], null, false])
})

test('a list says which other cells may hold more, as the router named them', async () => {
  const { body } = await api.ask('spread', '/v1/notifications', {
    headers: service.routed('spread', 'cell-003,cell-001,cell-002'),
  })
  assert.equal(body['complete'], false)
  assert.deepEqual(body['cells'], { answered: ['cell-001'], remaining: ['cell-003', 'cell-002'] })
})

test('a template is filled with the data; missing data is named', async () => {
  const template = JSON.stringify({ subject: 'Hi {{name}}', body: 'You owe {{amount}} EUR.' })
  const name = sha256(template)
  const message = {
    channel: 'email',
    to: 'ada@example.org',
    template: name,
    data: { name: 'Ada', amount: 7 },
  }
  const missing = await api.send('templater', message, { 'idempotency-key': 't-1' })
  assert.equal(missing.status, 409)
  assert.equal(missing.body['code'], 'TEMPLATE_MISSING')
  assert.equal(missing.body['cell'], 'cell-001')
  assert.equal(missing.body['template'], name)

  const put = () => api.ask('templater', `/v1/templates/${name}`, { method: 'PUT', body: template })
  assert.equal((await put()).status, 204)
  assert.equal((await put()).status, 204, 'uploading again changes nothing')
  const sent = await api.send('templater', message, { 'idempotency-key': 't-1' })
  assert.equal(sent.status, 202, 'the refusal did not use up the key')
  const { body } = await api.ask('templater', `/v1/notifications/${sent.body['id']}`)
  assert.equal(body['subject'], 'Hi Ada')
  assert.equal(body['body'], 'You owe 7 EUR.')

  const incomplete = await api.send('templater', { ...message, data: { name: 'Ada' } })
  assert.equal(incomplete.status, 400)
  assert.match(JSON.stringify(incomplete.body['problems']), /data\.amount/)

  await api.database.query('DELETE FROM template WHERE tenant = $1', ['templater'])
  const repeated = await api.send('templater', message, { 'idempotency-key': 't-1' })
  assert.deepEqual(repeated.body, sent.body, 'a repetition needs no template any more')
})

test('a template whose name is not its digest, or that is no template, is refused', async () => {
  const put = async (name: string, content: string) =>
    (await api.ask('templater', `/v1/templates/${name}`, { method: 'PUT', body: content })).status
  const good = JSON.stringify({ body: 'x' })
  assert.equal(await put(sha256('else'), good), 400)
  assert.equal(await put('nonsense', good), 400)
  for (const bad of ['{', '[]', '{"body": 7}', '{"body": "x", "script": "y"}', '{"body": "\\u0000"}']) {
    assert.equal(await put(sha256(bad), bad), 400, bad)
  }
})

test('every bad request is a 400 that names the path', async () => {
  const email = { channel: 'email', to: 'ada@example.org', subject: 'Hi', body: 'x' }
  const cases: [object, string][] = [
    [{}, 'channel'],
    [{ ...PUSH, channel: 'pigeon' }, 'channel'],
    [{ ...PUSH, tenant: 'another' }, 'tenant'],
    [{ ...PUSH, to: 7 }, 'to'],
    [{ ...PUSH, to: 'two words' }, 'to'],
    [{ ...PUSH, to: 'x'.repeat(10_240) }, 'to'],
    [{ ...PUSH, channel: 'sms' }, 'to'],
    [{ ...email, to: 'ada@example.org, eve@example.org' }, 'to'],
    [{ ...email, to: 'Ada <ada@example.org>' }, 'to'],
    [{ ...email, subject: 'Hi\r\nBcc: eve@example.org' }, 'subject'],
    [{ ...PUSH, body: '' }, 'body'],
    [{ ...PUSH, body: 'x'.repeat(65_537) }, 'body'],
    [{ ...PUSH, body: 'nul \u0000' }, 'body'],
    [{ ...PUSH, template: sha256('t') }, 'body'],
    [{ ...PUSH, template: 'not-a-digest', body: undefined }, 'template'],
    [{ ...PUSH, data: { a: 1 } }, 'data'],
    [{ ...PUSH, deliver_before: 'tomorrow' }, 'deliver_before'],
  ]
  for (const [message, path] of cases) {
    const { status, body } = await api.send('careless', message)
    assert.equal(status, 400, JSON.stringify(message).slice(0, 80))
    assert.equal(body['code'], 'INVALID_REQUEST')
    const problems = body['problems'] as { path: string }[]
    assert.ok(
      problems.some((p) => p.path.startsWith(path)),
      `${path} in ${JSON.stringify(problems)}`,
    )
  }
  for (const [path, what] of [
    ['/v1/notifications?limit=0', 'limit'],
    ['/v1/notifications?limit=1000', 'limit'],
    ['/v1/notifications?limit=ten', 'limit'],
    ['/v1/notifications?cursor=%27%20OR%201', 'cursor'],
  ]) {
    const { status, body } = await api.ask('careless', path!)
    assert.equal(status, 400)
    assert.match(String(body['detail']), new RegExp(what!))
  }
  assert.equal((await api.send('careless', PUSH, { 'idempotency-key': 'two words' })).status, 400)
})

test('a body that is no JSON, or too large with or without a length, is refused', async () => {
  const post = (body: RequestInit['body'], more: object = {}) =>
    api.ask('careless', '/v1/notifications', { method: 'POST', body: body ?? null, ...more })
  assert.equal((await post('{"channel"')).status, 400)
  assert.equal((await post('')).status, 400)
  const large = 'x'.repeat(600 * 1024)
  const refused = await post(large)
  assert.equal(refused.status, 413)
  assert.equal(refused.body['code'], 'BODY_TOO_LARGE')
  const chunks = new ReadableStream({
    start(controller) {
      controller.enqueue(new TextEncoder().encode(large))
      controller.close()
    },
  })
  assert.equal((await post(chunks, { duplex: 'half' })).status, 413)
})

test('without a good token there is nothing to see, and every answer names the request', async () => {
  for (const path of ['/v1/notifications', '/v1/templates/x', '/v1/anything']) {
    const response = await fetch(`${api.url}${path}`)
    assert.equal(response.status, 401)
    assert.equal(((await response.json()) as { code: string }).code, 'TOKEN_MISSING')
  }
  const unknown = await api.ask('acme', '/v1/nothing')
  assert.equal(unknown.status, 404)
  assert.equal(unknown.body['request_id'], unknown.headers.get('x-request-id'))
  assert.equal(unknown.body['cell'], 'cell-001')
})

test('a full queue refuses new work and says when to try again', async () => {
  const full = await startApi(service, { CELLPLANE_CAPACITY_QUEUE_DEPTH: '1' })
  const refused = await waitFor('the depth to be counted', PATIENCE_MS, async () => {
    const answer = await full.send('greedy', PUSH)
    return answer.status !== 202 && answer
  })
  assert.equal(refused.status, 503)
  assert.equal(refused.body['code'], 'OVERLOADED')
  assert.equal((await full.ask('greedy', '/v1/notifications')).status, 200, 'reads go on')
  await full.stop()
})

test('what a tenant sent is in no log line, nor is its token', async () => {
  const planted = 'planted-text-of-a-notification'
  await api.send('discreet', { ...PUSH, body: planted })
  await api.send('discreet', { ...PUSH, body: planted, channel: 'pigeon' })
  const token = await service.token('discreet')
  for (const line of api.lines) {
    assert.ok(!line.includes(planted))
    assert.ok(!line.includes(token.split('.')[1]!))
  }
})
