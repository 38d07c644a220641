import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { waitFor } from '@cellplane/testing'
import { createEmailProvider } from '../providers/email.ts'
import { createHttpProvider } from '../providers/http.ts'
import { createFaults } from './faults.ts'
import { startHttpSink } from './http.ts'
import { createInbox, MESSAGES_MAX } from './inbox.ts'
import { startSmtpSink } from './smtp.ts'

const TRACEPARENT = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01'
const inbox = createInbox(undefined)
const faults = createFaults()
const listen = { host: '127.0.0.1', port: 0 }
const http = await startHttpSink(inbox, faults, listen)
const smtp = await startSmtpSink(inbox, faults, listen)
after(() => Promise.all([http.stop(), smtp.stop()]))

const get = async (path: string) => (await fetch(http.url + path)).json() as Promise<Record<string, unknown>>
const message = (deliveryKey: string, body: string) => ({
  channel: 'push' as const,
  to: 'd',
  subject: null,
  body,
  deliveryKey,
})

test('the same key twice is one message and one duplicate, over HTTP and SMTP', async () => {
  const push = createHttpProvider(`${http.url}/push`)
  const email = createEmailProvider({ url: `smtp://127.0.0.1:${smtp.port}`, from: 'us@example.com' })
  const before = inbox.counts()
  for (let i = 0; i < 2; i++) {
    assert.equal((await push.send(message('k-push', 'x'), TRACEPARENT)).outcome, 'delivered')
    const mail = { ...message('k-mail', 'x'), channel: 'email' as const, to: 'ada@example.org', subject: 's' }
    assert.equal((await email.send(mail, TRACEPARENT)).outcome, 'delivered')
  }
  const counts = inbox.counts()
  assert.equal(counts.deliveries - before.deliveries, 4)
  assert.equal(counts.unique - before.unique, 2)
  assert.equal(counts.duplicates - before.duplicates, 2)
  assert.deepEqual(await get('/counts'), { ...counts })
  assert.match(await (await fetch(`${http.url}/keys`)).text(), /k-push\n/)
  push.close()
  email.close()
})

test('a provider that cannot be reached, or answers nonsense, is a failure and never a throw', async () => {
  for (const url of ['http://127.0.0.1:9/push', `${http.url}/nowhere`]) {
    const provider = createHttpProvider(url)
    assert.notEqual((await provider.send(message('k', 'x'), TRACEPARENT)).outcome, 'delivered')
    provider.close()
  }
  const email = createEmailProvider({ url: 'smtp://127.0.0.1:9', from: 'us@example.com' })
  const mail = { ...message('k', 'x'), channel: 'email' as const, to: 'ada@example.org' }
  assert.equal((await email.send(mail, TRACEPARENT)).outcome, 'failed')
  email.close()
})

test('the page shows tenants’ texts as text', async () => {
  const provider = createHttpProvider(`${http.url}/sms`)
  await provider.send(
    { ...message('k-html', '<script>alert(1)</script> & "quotes"'), channel: 'sms' },
    TRACEPARENT,
  )
  provider.close()
  const page = await (await fetch(`${http.url}/`)).text()
  assert.doesNotMatch(page, /<script/)
  assert.match(page, /&#60;script&#62;/)
})

test('memory is bounded, counts are exact', () => {
  const small = createInbox(undefined)
  for (let i = 0; i < MESSAGES_MAX + 10; i++) {
    small.take({ channel: 'sms', key: `k${i}`, to: 't', title: '', text: 'x'.repeat(10_000) })
  }
  assert.equal(small.counts().unique, MESSAGES_MAX + 10)
  const all = small.messages(1_000_000)
  assert.equal(all.length, MESSAGES_MAX)
  assert.equal(all[0]?.key, `k${MESSAGES_MAX + 9}`)
  assert.equal(all.at(-1)?.key, 'k10')
  assert.ok(all.every(({ text }) => text.length <= 500))
})

test('bad input to the sinks is a 400', async () => {
  const post = async (path: string, body: string, headers = {}) =>
    (await fetch(http.url + path, { method: 'POST', body, headers })).status
  assert.equal(await post('/push', '{"to": "d", "body": "x"}'), 400, 'no key')
  assert.equal(await post('/push', '{', { 'idempotency-key': 'k' }), 400)
  assert.equal(await post('/push', 'null', { 'idempotency-key': 'k' }), 400)
  assert.equal(await post('/faults', '{"kind": "fire", "count": 1}'), 400)
  assert.equal(await post('/faults', '{"kind": "hang", "count": -1}'), 400)
})

test('as a process it journals unique keys, knows them after a restart, and stops at once', async () => {
  const directory = await mkdtemp(join(tmpdir(), 'sinks-'))
  const journal = join(directory, 'keys')
  for (const expected of ['first', 'duplicate']) {
    const child = spawn(process.execPath, [fileURLToPath(new URL('./main.ts', import.meta.url))], {
      env: { PATH: process.env['PATH'], SMTP_PORT: '0', HTTP_PORT: '0', SINKS_JOURNAL: journal },
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    let output = ''
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      output += text
    })
    const url = await waitFor('the sinks to listen', 30_000, () => /"http":"([^"]+)"/.exec(output)?.[1])
    const answer = await fetch(`${url}/push`, {
      method: 'POST',
      headers: { 'idempotency-key': 'journaled' },
      body: JSON.stringify({ to: 'd', body: 'x' }),
    })
    assert.deepEqual(await answer.json(), { taken: expected })
    child.kill('SIGTERM')
    assert.deepEqual(await once(child, 'exit'), [0, null])
  }
  assert.equal(await readFile(journal, 'utf8'), 'journaled\n')
  await rm(directory, { recursive: true, force: true })
})
