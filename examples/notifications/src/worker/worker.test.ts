/** The worker as a process, over real PostgreSQL, SMTP and HTTP: what arrives at the other end, and what is written down. */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { after, afterEach, before, test } from 'node:test'
import { startSpanReceiver, waitFor } from '@cellplane/testing'
import { deliveryKey } from '../notification/delivery-key.ts'
import { countUnfinished } from '../store/queue.ts'
import { countHeld, purgeBatch } from '../store/retention.ts'
import { PATIENCE_MS, startApi, startTestService, type TestCell, type TestService } from '../test-service.ts'

type Worker = Awaited<ReturnType<TestService['spawn']>>

let service: TestService
let api: TestCell
let worker: Worker
before(async () => {
  service = await startTestService()
  api = await startApi(service)
  worker = await service.spawn('worker')
})
after(async () => {
  await api?.stop()
  await service?.stop()
})
/** One test's leftovers would meet the next one's faults. */
afterEach(async () => {
  service.faults.order({ kind: 'unavailable', count: 0 })
  await waitFor(
    'the queue to be empty',
    PATIENCE_MS,
    async () => (await countUnfinished(api.database, 1)) === 0,
  )
})

const PUSH = { channel: 'push', to: 'device-1', body: 'hello' }

/** For tests in which a lease is to run out. */
const SHORT_LEASE = { DELIVERY_LEASE_MS: '1500' }

/** Replaces the worker by one with other settings. */
async function useWorker(env: Record<string, string>): Promise<void> {
  await worker.end('SIGTERM')
  worker = await service.spawn('worker', env)
}

const arrived = (key: string) => service.inbox.messages(10_000).filter((message) => message.key === key)

async function attemptsOf(
  tenant: string,
  id: unknown,
): Promise<{ number: number; outcome: string; detail: string }[]> {
  const { body } = await api.ask(tenant, `/v1/notifications/${id}/attempts`)
  return body['items'] as { number: number; outcome: string; detail: string }[]
}

test('what the synthetic tenant sends goes through queue and worker, to nobody, and is held for nobody', async () => {
  const response = await fetch(`${api.url}/v1/notifications`, {
    method: 'POST',
    headers: {
      'content-type': 'application/json',
      'idempotency-key': 'probe-1',
      ...service.routed('cellplane-synthetic-cell-001', 'cell-001'),
    },
    body: JSON.stringify(PUSH),
  })
  assert.equal(response.status, 202)
  const { id } = (await response.json()) as { id: string }
  const row = await waitFor('it to be delivered', PATIENCE_MS, async () => {
    const [found] = await api.database.query<{ status: string; detail: string }>(
      'SELECT n.status, a.detail FROM notification n JOIN attempt a ON a.notification_id = n.id WHERE n.id = $1',
      [id],
    )
    return found?.status === 'delivered' && found
  })
  assert.equal(row.detail, 'synthetic: sent to nobody')
  assert.deepEqual(arrived(deliveryKey('cellplane-synthetic-cell-001', { idempotencyKey: 'probe-1' })), [])
  assert.equal((await countHeld(api.database, 1)).retained, 0)
  assert.equal(await purgeBatch(api.database, 1), 0)
  await api.database.query(
    "UPDATE notification SET finished_at = now() - interval '11 minutes' WHERE id = $1",
    [id],
  )
  assert.equal(await purgeBatch(api.database, 1), 1)
})

test('each channel’s message arrives with its text, once', async () => {
  const messages = [
    {
      channel: 'email',
      to: 'ada@example.org',
      subject: 'Grüße – 你好',
      body: 'Zeile 1\nZeile 2 = fünf 🎉\n.\nlast',
    },
    { channel: 'sms', to: '+4915112345678', body: 'Ihr Code ist 1234 ✓' },
    { channel: 'push', to: 'device-1', subject: 'News', body: 'short' },
  ]
  for (const [i, message] of messages.entries()) {
    const sent = await api.send('acme', message, { 'idempotency-key': `channel-${i}` })
    await api.waitForStatus('acme', sent.body['id'], 'delivered')
    const [shown, ...more] = arrived(deliveryKey('acme', { idempotencyKey: `channel-${i}` }))
    assert.equal(more.length, 0)
    assert.equal(shown?.to, message.to)
    assert.equal(shown?.title, message.subject ?? '')
    assert.equal(shown?.text, message.body)
    const attempts = await attemptsOf('acme', sent.body['id'])
    assert.deepEqual(
      attempts.map(({ number, outcome }) => [number, outcome]),
      [[1, 'delivered']],
    )
  }
})

test('a delivery goes on in the trace of the request that was accepted, each attempt as a span of its own', async (t) => {
  const seen: string[] = []
  const provider = createServer((request, response) => {
    seen.push(String(request.headers['traceparent']))
    response.writeHead(seen.length === 1 ? 503 : 200).end()
  })
  await once(provider.listen(0, '127.0.0.1'), 'listening')
  t.after(() => provider.close())
  const receiver = await startSpanReceiver()
  t.after(() => receiver.stop())
  const traces = { CELLPLANE_TRACES_URL: receiver.url }
  const traced = await startApi(service, { CELLPLANE_COMPONENT: 'api', ...traces })
  await useWorker({
    PUSH_URL: `http://127.0.0.1:${(provider.address() as AddressInfo).port}`,
    ...{ CELLPLANE_COMPONENT: 'worker', ...traces },
  })
  t.after(() => useWorker({}))
  const trace = '0af7651916cd43dd8448eb211c80319c'
  const caller = 'b7ad6b7169203331'
  const sent = await traced.send('traced', PUSH, { traceparent: `00-${trace}-${caller}-01` })
  await traced.waitForStatus('traced', sent.body['id'], 'delivered')
  await traced.stop()
  assert.equal(seen.length, 2)
  for (const traceparent of seen) assert.match(traceparent, new RegExp(`^00-${trace}-[0-9a-f]{16}-01$`))

  const spanIds = seen.map((traceparent) => traceparent.slice(36, 52))
  const attempts = await waitFor('the spans of both attempts', PATIENCE_MS, () => {
    const found = receiver.spans.filter(({ spanId }) => spanIds.includes(spanId))
    return (
      found.length === 2 && found.toSorted((a, b) => spanIds.indexOf(a.spanId) - spanIds.indexOf(b.spanId))
    )
  })
  const named = (name: string) => receiver.spans.find((span) => span.name === name)
  const request = named('POST /v1/notifications')
  const queued = named('send delivery')
  assert.deepEqual([request?.traceId, request?.parentSpanId], [trace, caller])
  assert.deepEqual([queued?.traceId, queued?.parentSpanId, queued?.kind], [trace, request?.spanId, 4])
  for (const { name, kind, parentSpanId, attributes, resource } of attempts) {
    assert.deepEqual([name, kind, parentSpanId], ['process delivery', 5, queued?.spanId])
    assert.equal(attributes['cellplane.tenant'], 'traced')
    assert.equal(attributes['messaging.message.id'], sent.body['id'])
    assert.equal(resource['service.name'], 'worker')
  }
  assert.deepEqual(
    attempts.map(({ status, attributes: a }) => [a['notifications.status'], a['error.type'], status]),
    [
      ['retrying', 'failed', { code: 2 }],
      ['delivered', undefined, undefined],
    ],
  )
})

test('an outage of the provider is waited out, and each attempt is written down', async () => {
  service.faults.order({ kind: 'unavailable', count: 2 })
  const sent = await api.send('patient', PUSH)
  await api.waitForStatus('patient', sent.body['id'], 'delivered')
  const attempts = await attemptsOf('patient', sent.body['id'])
  assert.deepEqual(
    attempts.map(({ number, outcome }) => [number, outcome]),
    [
      [1, 'failed'],
      [2, 'failed'],
      [3, 'delivered'],
    ],
  )
  assert.match(attempts[0]!.detail, /HTTP 503/)
})

test('what fails every time becomes a dead letter', async () => {
  service.faults.order({ kind: 'unavailable', count: 1000 })
  const sent = await api.send('unlucky', PUSH)
  const { body } = await api.waitForStatus('unlucky', sent.body['id'], 'dead_letter')
  assert.ok(body['finished_at'])
  assert.equal((await attemptsOf('unlucky', sent.body['id'])).length, 4)
})

test('what a provider refuses for good is a dead letter at once, on every channel', async () => {
  const email = { channel: 'email', to: 'nobody@example.org', subject: 'x', body: 'x' }
  for (const message of [PUSH, { ...PUSH, channel: 'sms', to: '+4915112345678' }, email]) {
    service.faults.order({ kind: 'reject', count: 1 })
    const sent = await api.send('refused', message)
    await api.waitForStatus('refused', sent.body['id'], 'dead_letter')
    const attempts = await attemptsOf('refused', sent.body['id'])
    assert.deepEqual(
      attempts.map(({ outcome }) => outcome),
      ['refused'],
      message.channel,
    )
  }
})

test('an answer that got lost makes a second delivery, which the provider recognises by its key', async () => {
  const email = { channel: 'email', to: 'ada@example.org', subject: 'twice?', body: 'x' }
  for (const [i, message] of [PUSH, email].entries()) {
    const before = service.inbox.counts()
    service.faults.order({ kind: 'lost-answer', count: 1 })
    const sent = await api.send('lossy', message, { 'idempotency-key': `lossy-${i}` })
    await api.waitForStatus('lossy', sent.body['id'], 'delivered')
    const counts = service.inbox.counts()
    assert.equal(counts.unique - before.unique, 1)
    assert.equal(counts.duplicates - before.duplicates, 1)
    assert.equal(arrived(deliveryKey('lossy', { idempotencyKey: `lossy-${i}` })).length, 1)
  }
})

test('what is not delivered by its time expires, and is not sent late', async () => {
  const past = new Date(Date.now() - 60_000).toISOString()
  const sent = await api.send('late', { ...PUSH, deliver_before: past }, { 'idempotency-key': 'late' })
  await api.waitForStatus('late', sent.body['id'], 'expired')
  assert.deepEqual(await attemptsOf('late', sent.body['id']), [])
  assert.equal(arrived(deliveryKey('late', { idempotencyKey: 'late' })).length, 0)

  await useWorker({ DELIVERY_DELAY_FIRST_MS: '600000', DELIVERY_DELAY_MAX_MS: '600000' })
  service.faults.order({ kind: 'unavailable', count: 1 })
  const soon = new Date(Date.now() + 1500).toISOString()
  const retried = await api.send('late', { ...PUSH, deliver_before: soon })
  await api.waitForStatus('late', retried.body['id'], 'expired')
  await useWorker({})
})

test('a worker that is killed while it holds leases loses nothing', async () => {
  await useWorker(SHORT_LEASE)
  service.faults.order({ kind: 'hang', count: 5 })
  const sent = await Promise.all(
    Array.from({ length: 5 }, (_, i) => api.send('held', PUSH, { 'idempotency-key': `held-${i}` })),
  )
  await waitFor(
    'the worker to be in the middle of all five',
    PATIENCE_MS,
    () => service.faults.current().count === 0,
  )
  await worker.end('SIGKILL')
  const [held] = await api.database.query<{ count: number }>(
    `SELECT count(*)::int AS count FROM delivery WHERE tenant = 'held' AND lease IS NOT NULL AND attempts = 1`,
  )
  assert.equal(held?.count, 5)
  await useWorker(SHORT_LEASE)
  for (const [i, { body }] of sent.entries()) {
    await api.waitForStatus('held', body['id'], 'delivered')
    assert.equal(arrived(deliveryKey('held', { idempotencyKey: `held-${i}` })).length, 1)
  }
  const attempts = await attemptsOf('held', sent[0]!.body['id'])
  assert.deepEqual(
    attempts.map(({ number }) => number),
    [2],
    'the first attempt was never seen to end',
  )
})

test('PostgreSQL killed under the worker: it reconnects, and what was accepted is delivered', async () => {
  await useWorker(SHORT_LEASE)
  const before = await Promise.all(
    Array.from({ length: 20 }, (_, i) => api.send('outage', PUSH, { 'idempotency-key': `outage-${i}` })),
  )
  await service.postgres.kill()
  assert.equal((await fetch(`${worker.url}/healthz`)).status, 503)
  await service.postgres.restart()
  for (const { body } of before) await api.waitForStatus('outage', body['id'], 'delivered')
  for (const i of before.keys()) {
    assert.equal(arrived(deliveryKey('outage', { idempotencyKey: `outage-${i}` })).length, 1)
  }
  const after = await waitFor('the API to accept again', PATIENCE_MS, async () => {
    const answer = await api.send('outage', PUSH)
    return answer.status === 202 && answer
  })
  await api.waitForStatus('outage', after.body['id'], 'delivered')
})

test('two workers share a queue, and nothing is attempted twice', async () => {
  await useWorker({})
  const second = await service.spawn('worker')
  const before = service.inbox.counts()
  const sent = await Promise.all(Array.from({ length: 100 }, () => api.send('busy', PUSH)))
  for (const { body } of sent) await api.waitForStatus('busy', body['id'], 'delivered')
  const counts = service.inbox.counts()
  assert.equal(counts.unique - before.unique, 100)
  assert.equal(counts.duplicates - before.duplicates, 0)
  await second.end('SIGTERM')
})

test('told to stop, a worker finishes what it has in hand and leaves with 0', async () => {
  await Promise.all(Array.from({ length: 20 }, () => api.send('leaving', PUSH)))
  assert.equal(await worker.end('SIGTERM'), 0)
  const [held] = await api.database.query<{ count: number }>(
    'SELECT count(*)::int AS count FROM delivery WHERE lease IS NOT NULL',
  )
  assert.equal(held?.count, 0)
  await useWorker({})
})

test('its log carries the cell, and the tenant of each notification, but no text and no address', async () => {
  service.faults.order({ kind: 'reject', count: 1 })
  const sent = await api.send('logged', { ...PUSH, to: 'planted-device', body: 'planted-text' })
  await api.waitForStatus('logged', sent.body['id'], 'dead_letter')
  const line = await waitFor('the line to be written', PATIENCE_MS, () =>
    worker
      .output()
      .split('\n')
      .find((text) => text.includes(String(sent.body['id']))),
  )
  const entry = JSON.parse(line) as Record<string, unknown>
  assert.equal(entry['cell'], 'cell-001')
  assert.equal(entry['tenant_id'], 'logged')
  assert.doesNotMatch(worker.output(), /planted/)
  const metrics = await (await fetch(`${worker.url}/metrics`)).text()
  assert.match(metrics, /notifications_outcomes_total\{channel="push",status="dead_letter",cell="cell-001"/)
})

test('settings that are wrong stop the worker with every problem named', async () => {
  const wrong = { SMTP_URL: 'http://mail', DELIVERY_LEASE_MS: '-1' }
  const { workerConfigFromEnv } = await import('./config.ts')
  assert.throws(() => workerConfigFromEnv({ ...service.env, ...wrong }), /SMTP_URL.*smtp.*DELIVERY_LEASE_MS/)
})
