/** The components as the agent runs them: bootstrap, then the API as a process. */
import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { after, before, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { startTestService, type TestService } from '../test-service.ts'

let service: TestService
before(async () => {
  service = await startTestService()
})
after(() => service?.stop())

const BOOTSTRAP = fileURLToPath(new URL('../bootstrap/main.ts', import.meta.url))

const run = (file: string, env: Record<string, string>) =>
  promisify(execFile)(process.execPath, [file], { env: { PATH: process.env['PATH'], ...env } })

test('bootstrap is safe to run twice', async () => {
  const first = await run(BOOTSTRAP, service.env)
  assert.match(first.stdout, /applied 001_notifications\.sql/)
  const second = await run(BOOTSTRAP, service.env)
  assert.match(second.stdout, /nothing to apply/)
})

test('the API serves, finishes what is in flight when told to stop, and leaves with 0', async () => {
  const api = await service.spawn('api')
  const headers = {
    authorization: `Bearer ${await service.token('acme')}`,
    'content-type': 'application/json',
  }
  const send = () =>
    fetch(`${api.url}/v1/notifications`, {
      method: 'POST',
      headers,
      body: JSON.stringify({ channel: 'push', to: 'device-1', body: 'hello' }),
    })
  assert.equal((await send()).status, 202)
  assert.equal((await fetch(`${api.url}/healthz`)).status, 200)
  assert.match(await (await fetch(`${api.url}/metrics`)).text(), /notifications_queue_depth\{cell="cell-001"/)
  const inFlight = Promise.all(Array.from({ length: 20 }, send))
  const ended = api.end('SIGTERM')
  assert.deepEqual(new Set((await inFlight).map(({ status }) => status)), new Set([202]))
  assert.equal(await ended, 0)
})

test('without a database the components say so and stop', async () => {
  for (const main of ['api', 'worker']) {
    const file = fileURLToPath(new URL(`../${main}/main.ts`, import.meta.url))
    await assert.rejects(run(file, { ...service.env, DATABASE_URL: '' }), /\$DATABASE_URL is not set/)
  }
})
