import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer, type RequestListener, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { type TestContext, test } from 'node:test'
import { freePortRange, waitFor } from '@cellplane/testing'
import { createAsk, MetricsUnavailable } from './ask.ts'

const QUERY = { query: 'up' }
const NOTHING = JSON.stringify({ status: 'success', data: { resultType: 'vector', result: [] } })
const vectorOf = (...result: object[]) =>
  JSON.stringify({ status: 'success', data: { resultType: 'vector', result } })

/** Stands for a Prometheus that answers as it never should. */
async function serve(t: TestContext, listener: RequestListener): Promise<string> {
  const server = createServer(listener)
  await once(server.listen(0, '127.0.0.1'), 'listening')
  t.after(async () => {
    server.closeAllConnections()
    server.close()
    await once(server, 'close')
  })
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`
}

test('four questions are under way at once, and never more', async (t) => {
  const held: ServerResponse[] = []
  let most = 0
  const url = await serve(t, (_, response) => {
    most = Math.max(most, held.push(response))
    // As many as there ever are: with fewer, nobody would be answered.
    if (held.length === 4) for (const one of held.splice(0)) one.end(NOTHING)
  })
  const ask = createAsk({ url })
  const answers = await Promise.all(Array.from({ length: 40 }, () => ask('query', QUERY)))
  assert.deepEqual([answers.length, most], [40, 4])
})

test('one that is not answered in time says so, and gives its turn to the next', async (t) => {
  let isHanging = true
  const url = await serve(t, (_, response) => {
    if (!isHanging) response.end(NOTHING)
  })
  let failures = 0
  const ask = createAsk({ url, timeoutMs: 200, onFailure: () => failures++ })
  const asked = await Promise.allSettled(Array.from({ length: 6 }, () => ask('query', QUERY)))
  for (const one of asked) {
    assert.equal(one.status, 'rejected')
    assert.ok(one.reason instanceof MetricsUnavailable)
    assert.match(one.reason.message, /was asked for up, and it did not answer within 0.2 s; see whether/)
  }
  assert.equal(failures, 6)
  isHanging = false
  // On a busy machine an answer may take longer than a fifth of a second; had turns been lost, none would ever come.
  const answer = await waitFor('an answer', 60_000, () => ask('query', QUERY).catch(() => undefined))
  assert.deepEqual(answer, [])
})

test('more than 200 that wait are refused at once', async (t) => {
  const held: ServerResponse[] = []
  const url = await serve(t, (_, response) => void held.push(response))
  const ask = createAsk({ url })
  const asking = Array.from({ length: 210 }, () => ask('query', QUERY))
  await Promise.allSettled(asking.slice(204))
  for (let answered = 0; answered < 204; ) {
    await waitFor('the next questions', 10_000, () => held.length > 0)
    answered += held.length
    for (const one of held.splice(0)) one.end(NOTHING)
  }
  const asked = await Promise.allSettled(asking)
  const refused = asked.filter(
    (one) => one.status === 'rejected' && /200 questions wait/.test(one.reason.message),
  )
  assert.equal(refused.length, 6)
})

test('a stop ends what is under way and what waits', async (t) => {
  const url = await serve(t, () => {})
  const stopping = new AbortController()
  const ask = createAsk({ url, signal: stopping.signal })
  const asking = Array.from({ length: 20 }, () => ask('query', QUERY))
  stopping.abort()
  const asked = await Promise.allSettled(asking)
  assert.ok(asked.every(({ status }) => status === 'rejected'))
})

test('what comes instead of an answer is said', async (t) => {
  const answers: [answer: string, status: number, said: RegExp][] = [
    [JSON.stringify({ status: 'error', error: 'too many samples' }), 422, /answered 422: too many samples/],
    ['<html>not this one', 502, /answered 502: /],
    [vectorOf({ metric: { cell: 1 }, value: [0, '1'] }), 200, /result\[0\].metric.cell/],
    [vectorOf({ metric: {} }), 200, /result\[0\].value/],
    ...['NaN', '+Inf', 'abc', ''].map((value): [string, number, RegExp] => [
      vectorOf({ metric: {}, value: [0, value] }),
      200,
      /result\[0\].value\[1\].*a finite number is expected/,
    ]),
    [NOTHING.replace('vector', 'matrix'), 200, /found a matrix; expected a vector/],
    [NOTHING.replace('vector', 'scalar'), 200, /resultType/],
    ['x'.repeat(17 * 1024 * 1024), 200, /more than 16777216 bytes/],
  ]
  for (const [answer, status, said] of answers) {
    const url = await serve(t, (_, response) => response.writeHead(status).end(answer))
    await assert.rejects(createAsk({ url })('query', QUERY), said)
  }
  const redirecting = await serve(t, (_, response) => response.writeHead(302, { location: '/' }).end())
  await assert.rejects(createAsk({ url: redirecting })('query', QUERY), MetricsUnavailable)
  const gone = `http://127.0.0.1:${await freePortRange(1)}`
  await assert.rejects(createAsk({ url: gone })('query', QUERY), {
    message: `the Prometheus at ${gone} was asked for up, and it cannot be reached (ECONNREFUSED); see whether it runs and answers there, and whether "prometheus" of the control plane's configuration names the right one`,
  })
})

test('an answer that may lack a part is none, and a remark on the query leaves it whole', async (t) => {
  const warned = (more: object) => JSON.stringify({ ...(JSON.parse(NOTHING) as object), ...more })
  const answers: [answer: string, said: RegExp | null][] = [
    [
      warned({ warnings: ['fetch series for {zone="b"}: 10.0.0.7: connection refused'] }),
      /be missing: fetch/,
    ],
    [warned({ isPartial: true }), /a part of it is missing/],
    [warned({ warnings: ['PromQL info: metric might not be a counter'], isPartial: false }), null],
  ]
  for (const [answer, said] of answers) {
    const asked = createAsk({ url: await serve(t, (_, response) => response.end(answer)) })('query', QUERY)
    if (said)
      await assert.rejects(
        asked,
        (error: Error) => error.name === 'MetricsUnavailable' && said.test(error.message),
      )
    else assert.deepEqual(await asked, [])
  }
})

test('the token is asked for anew each time, and is in no message', async (t) => {
  const seen: (string | undefined)[] = []
  const url = await serve(t, (request, response) => {
    seen.push(request.headers.authorization)
    response.writeHead(401).end(JSON.stringify({ status: 'error', error: 'no' }))
  })
  const tokens = ['first-secret', 'second-secret']
  const ask = createAsk({ url, bearerToken: async () => tokens.shift()! })
  for (let i = 0; i < 2; i++) {
    await assert.rejects(ask('query', QUERY), (error: Error) => !error.message.includes('secret'))
  }
  assert.deepEqual(seen, ['Bearer first-secret', 'Bearer second-secret'])
})
