import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { Agent, createServer, get, type IncomingMessage } from 'node:http'
import { test } from 'node:test'
import { waitFor } from '@cellplane/testing'
import { serve } from './serve.ts'

function ask(url: string, agent: Agent | false = false): Promise<IncomingMessage> {
  return new Promise((resolve, reject) => {
    get(url, { agent }, (response) => resolve(response.resume())).once('error', reject)
  })
}

test('what is in flight when the stop comes is answered, and only then is it stopped', async () => {
  const stop = new AbortController()
  const release = Promise.withResolvers<void>()
  let inFlight = 0
  const server = createServer(async (_request, response) => {
    inFlight++
    await release.promise
    response.end('done')
  })
  const serving = await serve(server, { host: '127.0.0.1', port: 0, stop: stop.signal, lameDuckMs: 0 })
  let isStopped = false
  void serving.stopped.then(() => {
    isStopped = true
  })
  const answer = ask(serving.url)
  await waitFor('the request to arrive', 5000, () => inFlight === 1)
  stop.abort()
  await waitFor('the port to be closed', 5000, async () => !server.listening)
  await assert.rejects(ask(serving.url), /ECONNREFUSED/)
  assert.equal(isStopped, false)
  release.resolve()
  assert.equal((await answer).statusCode, 200)
  await serving.stopped
})

test('a lame duck still answers, and lets go of pooled connections', async () => {
  const stop = new AbortController()
  const server = createServer((_request, response) => response.end('ok'))
  const serving = await serve(server, { host: '127.0.0.1', port: 0, stop: stop.signal, lameDuckMs: 2000 })
  const agent = new Agent({ keepAlive: true })
  assert.equal((await ask(serving.url, agent)).headers['connection'], 'keep-alive')
  stop.abort()
  const answer = await ask(serving.url, agent)
  assert.equal(answer.statusCode, 200)
  assert.equal(answer.headers['connection'], 'close')
  agent.destroy()
  await serving.stopped
})

test('a request that never ends is cut when the time for it is over', async () => {
  const stop = new AbortController()
  const server = createServer(() => {})
  const options = { host: '127.0.0.1', port: 0, stop: stop.signal, lameDuckMs: 0, drainTimeoutMs: 50 }
  const serving = await serve(server, options)
  const arrived = once(server, 'request')
  const answer = ask(serving.url)
  const cut = assert.rejects(answer, /socket hang up|ECONNRESET/)
  await arrived
  stop.abort()
  await serving.stopped
  await cut
})

test('a taken port is an error that names it', async () => {
  const first = await serve(createServer(), {
    host: '127.0.0.1',
    port: 0,
    stop: AbortSignal.timeout(2000),
    lameDuckMs: 0,
  })
  const second = serve(createServer(), { host: '127.0.0.1', port: first.port, stop: AbortSignal.abort() })
  await assert.rejects(second, new RegExp(`cannot listen on 127.0.0.1:${first.port}: .*EADDRINUSE`))
  await first.stopped
})

test('SIGTERM ends a service in order, with exit code 0', async () => {
  const program = `
    import { createServer } from 'node:http'
    import { serve, stopOnSignals } from ${JSON.stringify(new URL('../process.ts', import.meta.url).href)}
    const server = createServer((request, response) => response.end('ok'))
    const serving = await serve(server, { host: '127.0.0.1', port: 0, stop: stopOnSignals(), lameDuckMs: 0 })
    console.log(serving.url)
    await serving.stopped
    console.log('stopped')`
  const child = spawn(process.execPath, ['--input-type=module-typescript', '-e', program], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  let output = ''
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    output += text
  })
  const url = await waitFor('the service to listen', 20_000, () => /http:\S+/.exec(output)?.[0])
  assert.equal((await ask(url)).statusCode, 200)
  child.kill('SIGTERM')
  const [code] = await once(child, 'exit')
  assert.equal(code, 0)
  assert.match(output, /stopped/)
})
