import assert from 'node:assert/strict'
import { once } from 'node:events'
import {
  type ClientHttp2Session,
  type ClientHttp2Stream,
  constants,
  type IncomingHttpHeaders,
  type OutgoingHttpHeaders,
} from 'node:http2'
import { after, before, describe, test } from 'node:test'
import type { SeenRequest } from '../testing/fake-cell.ts'
import { END_STREAM, REQUEST_FIELDS, rawHttp2 } from '../testing/raw-http2.ts'
import { startTlsGround, type TlsGround } from '../testing/tls-ground.ts'
import { until } from '../testing/wait.ts'

const { NGHTTP2_CANCEL, NGHTTP2_ENHANCE_YOUR_CALM, NGHTTP2_NO_ERROR, NGHTTP2_PROTOCOL_ERROR } = constants

type Answer = { status: number; headers: IncomingHttpHeaders; trailers: IncomingHttpHeaders; body: Buffer }

async function answerOf(stream: ClientHttp2Stream): Promise<Answer> {
  let headers: IncomingHttpHeaders = {}
  let trailers: IncomingHttpHeaders = {}
  const chunks: Buffer[] = []
  stream.on('response', (received) => {
    headers = received
  })
  stream.on('trailers', (received) => {
    trailers = received
  })
  for await (const chunk of stream) chunks.push(chunk)
  return { status: Number(headers[':status']), headers, trailers, body: Buffer.concat(chunks) }
}

const HOST = { ':authority': 'router.test' }

function get(session: ClientHttp2Session, path = '/', headers: OutgoingHttpHeaders = {}): Promise<Answer> {
  return answerOf(session.request({ ...HOST, ':path': path, ...headers }))
}

function post(session: ClientHttp2Session, body: string | Buffer, headers: OutgoingHttpHeaders = {}) {
  const stream = session.request({ ...HOST, ':method': 'POST', ':path': '/', ...headers })
  stream.end(body)
  return answerOf(stream)
}

/** Waits until a figure has stayed the same for many looks. */
async function stillness(what: string, look: () => number | Promise<number>): Promise<void> {
  let before = -1
  let looks = 0
  await until(what, async () => {
    const now = await look()
    looks = now === before ? looks + 1 : 0
    before = now
    return looks === 20
  })
}

describe('HTTP/2 to clients', () => {
  let ground: TlsGround
  let router: Awaited<ReturnType<TlsGround['startRouter']>>
  let session: ClientHttp2Session
  let tenant: string
  before(async () => {
    ground = await startTlsGround()
    router = await ground.startRouter({}, { limits: { header_bytes_max: 16_384 } })
    session = await ground.connectHttp2(router.port)
    tenant = ground.fleet.tenantOn(0, 1)
  })
  after(async () => {
    session.destroy()
    await ground.stop()
  })
  const cell = () => ground.fleet.cells[0]!
  const rawClient = async () => rawHttp2(await ground.connect(router.port, { ALPNProtocols: ['h2'] }))

  test('is agreed on by ALPN, and only there', async () => {
    assert.equal(session.alpnProtocol, 'h2')
    const old = await ground.connect(router.port, { ALPNProtocols: ['http/1.1'] })
    assert.equal(old.alpnProtocol, 'http/1.1')
    old.destroy()
    await assert.rejects(ground.connect(router.port, { ALPNProtocols: ['spdy/3'] }))
    const { port } = await ground.startRouter({ http2: false }, { router: 'without' })
    await assert.rejects(ground.connect(port, { ALPNProtocols: ['h2'] }))
  })

  test('the same request reaches the same cell with the same headers as over HTTP/1.1', async () => {
    const headers = { 'x-tenant': tenant, cookie: 'a=1; b=2', accept: '*/*', 'x-request-id': 'one' }
    const traced = { ...headers, traceparent: `00-${'1'.repeat(32)}-${'2'.repeat(16)}-01` }
    const lines = Object.entries(traced).map(([name, value]) => `${name}: ${value}\r\n`)
    const old = await ground.connect(router.port)
    for (const method of ['GET', 'POST', 'DELETE']) {
      const { status } = await answerOf(
        session.request({ ...HOST, ':method': method, ':path': '/a?b=c', ...traced }, { endStream: true }),
      )
      assert.equal(status, 200)
      old.write(`${method} /a?b=c HTTP/1.1\r\nhost: router.test\r\n${lines.join('')}\r\n`)
      await until('both', () => cell().seen.length === 2)
      const [first, second] = cell().seen.splice(0) as [SeenRequest, SeenRequest]
      const sorted = ({ rawHeaders }: SeenRequest) =>
        Array.from(
          { length: rawHeaders.length / 2 },
          (_, i) => `${rawHeaders[2 * i]}: ${rawHeaders[2 * i + 1]}`,
        ).sort()
      assert.deepEqual(sorted(first), sorted(second))
      assert.deepEqual([first.method, first.path], [second.method, second.path])
    }
    old.destroy()
  })

  test('bodies of a megabyte go both ways, with a length and without one', async () => {
    cell().answer = ({ headers, body }, response) => {
      if (headers['content-length']) response.setHeader('content-length', Buffer.byteLength(body))
      response.end(body)
    }
    const body = Buffer.from('zwölf Boxkämpfer '.repeat(60_000))
    for (const headers of [{}, { 'content-length': body.length }]) {
      const answer = await post(session, body, { 'x-tenant': tenant, ...headers })
      assert.equal(answer.status, 200)
      assert.ok(answer.body.equals(body))
      assert.equal(answer.headers['transfer-encoding'], undefined)
      assert.equal(answer.headers.connection, undefined)
      assert.equal(answer.headers['cellplane-cell'], 'cell-0')
    }
  })

  test('trailers go both ways', async () => {
    let seen: unknown
    cell().intercept = (request, response) => {
      request.resume().on('end', () => {
        seen = request.trailers
        response.writeHead(200, { trailer: 'x-sum' })
        response.write('body')
        response.addTrailers({ 'x-sum': '42' })
        response.end()
      })
      return true
    }
    const stream = session.request(
      { ...HOST, ':method': 'POST', ':path': '/', 'x-tenant': tenant },
      { waitForTrailers: true },
    )
    stream.on('wantTrailers', () => stream.sendTrailers({ 'x-check': '7' }))
    stream.end('data')
    const { body, trailers } = await answerOf(stream)
    cell().intercept = () => false
    assert.equal(body.toString(), 'body')
    assert.equal(trailers['x-sum'], '42')
    assert.deepEqual({ ...(seen as object) }, { 'x-check': '7' })
  })

  test('answers without a body, repeated headers and early hints are passed on', async () => {
    cell().answer = ({ method, path }, response) => {
      if (path === '/hints') response.writeEarlyHints({ link: '</a.css>; rel=preload' })
      response.setHeader('set-cookie', ['a=1', 'b=2'])
      response.setHeader('te', 'gzip')
      response.setHeader('content-language', ['de', 'en'])
      if (path === '/none') response.writeHead(204).end()
      else if (path === '/same') response.writeHead(304, { etag: '"1"' }).end()
      else response.writeHead(200, { 'content-length': 5 }).end(method === 'HEAD' ? '' : 'hello')
    }
    const of = (path: string, method = 'GET') => get(session, path, { ':method': method, 'x-tenant': tenant })
    assert.equal((await of('/none')).status, 204)
    assert.equal((await of('/same')).status, 304)
    const head = await of('/', 'HEAD')
    assert.deepEqual([head.status, head.headers['content-length'], head.body.length], [200, '5', 0])
    const stream = session.request({ ...HOST, ':path': '/hints', 'x-tenant': tenant })
    const early = once(stream, 'headers')
    const answer = await answerOf(stream)
    const [hints] = await early
    assert.equal(hints[':status'], 103)
    assert.equal(hints.link, '</a.css>; rel=preload')
    assert.equal(answer.body.toString(), 'hello')
    assert.deepEqual(answer.headers['set-cookie'], ['a=1', 'b=2'])
    assert.equal(answer.headers.te, undefined)
  })

  test('text beyond ASCII crosses in both directions as the bytes that were sent', async () => {
    const bytes = Buffer.from('mühle-東京').toString('latin1')
    for (const fake of ground.fleet.cells) {
      fake.answer = ({ headers }, response) => {
        response.setHeader('x-tenant', headers['cellplane-tenant']!)
        response.end(headers['x-note'])
      }
    }
    const client = await rawClient()
    client.headers(1, [...REQUEST_FIELDS, ['x-tenant', bytes], ['x-note', bytes]])
    await until('the body', () => client.bodyOf(1) !== '')
    assert.equal(client.bodyOf(1), Buffer.from(bytes).toString('latin1'))
    client.destroy()
    const { headers } = await get(session, '/', { 'x-tenant': 'acme', 'x-note': 'a' })
    assert.equal(headers['x-tenant'], 'acme')
    for (const fake of ground.fleet.cells) {
      fake.answer = (_seen, response) => response.setHeader('x-note', bytes).end()
    }
    assert.equal((await get(session)).headers['x-note'], bytes)
  })

  test('many requests are under way at once on one connection, each with its own answer', async () => {
    cell().answer = ({ path }, response) => response.end(path)
    const paths = Array.from({ length: 300 }, (_, i) => `/${i}`)
    const answers = await Promise.all(paths.map((path) => get(session, path, { 'x-tenant': tenant })))
    assert.deepEqual(
      answers.map(({ body }) => body.toString()),
      paths,
    )
  })

  test('the router’s own refusals are the same: no token, no method, a host of another certificate', async () => {
    const refused = await get(session, '/', { 'x-tenant': 'x'.repeat(300) })
    assert.equal(refused.status, 400)
    assert.equal(JSON.parse(refused.body.toString()).code, 'PARTITION_KEY_INVALID')
    assert.equal((await get(session, '/', { ':method': 'TRACE' })).status, 405)
    const connect = session.request({ ':method': 'CONNECT', ':authority': 'router.test:443' })
    connect.on('error', () => {})
    const [headers] = await once(connect, 'response')
    assert.equal(headers[':status'], 405)
    connect.close()
    const doubled = await get(session, '/', { 'x-cell': ['a', 'b'] })
    assert.equal(doubled.status, 400)
  })

  test('a malformed request is reset, reaches no cell, and harms no other', async () => {
    const client = await rawClient()
    const arrivals = () => ground.fleet.cells.reduce((sum, { arrivals }) => sum + arrivals, 0)
    const before = arrivals()
    const fields = [...REQUEST_FIELDS, ['x-tenant', tenant]] as const
    const cases: [string, string][] = [
      ['connection', 'close'],
      ['transfer-encoding', 'chunked'],
      ['upgrade', 'websocket'],
      ['keep-alive', '1'],
      ['te', 'gzip'],
      ['host', 'other.test'],
      ['X-Upper', '1'],
      ['content-length', '5'],
    ]
    for (const [i, extra] of cases.entries()) {
      const stream = 2 * i + 1
      client.headers(stream, [...fields, extra])
      await until(`a reset for ${extra[0]}`, () => client.resetOf(stream) !== undefined)
      assert.equal(client.resetOf(stream), NGHTTP2_PROTOCOL_ERROR, extra[0])
    }
    assert.equal(arrivals(), before)
    // On the same connection, a good one, but for a value with line breaks, which nghttp2 drops.
    cell().seen.length = 0
    client.headers(99, [...fields, ['x-line', 'a\r\nx-other: b']])
    await until('it at the cell', () => cell().seen.length === 1)
    const [{ headers }] = cell().seen as [SeenRequest]
    assert.deepEqual([headers['x-line'], headers['x-other']], [undefined, undefined])
    client.destroy()
  })

  // Node ends the whole connection where RFC 9113 asks for the end of the stream at least.
  test('a body longer or shorter than its content-length ends its connection, and no cell gets it whole', async () => {
    const fields = [
      ...REQUEST_FIELDS.slice(1),
      [':method', 'POST'],
      ['x-tenant', tenant],
      ['content-length', '5'],
    ] as const
    cell().seen.length = 0
    for (const text of ['hello, and more', 'hel']) {
      const client = await rawClient()
      client.headers(1, fields, 0)
      client.data(1, text, END_STREAM)
      await until(`the end after ${text}`, () => client.isClosed || client.resetOf(1) !== undefined)
      client.destroy()
    }
    await until('nothing under way', async () => (await ground.status(router.adminPort)).in_flight === 0)
    assert.deepEqual(cell().seen, [])
  })

  test('a head beyond header_bytes_max is refused', async () => {
    const stream = session.request({
      ...HOST,
      ':path': '/',
      'x-tenant': tenant,
      'x-long': 'x'.repeat(20_000),
    })
    stream.on('error', () => {})
    await until('its end', () => stream.closed)
    assert.equal(stream.rstCode, NGHTTP2_ENHANCE_YOUR_CALM)
  })

  test('a client that resets a stream takes its request back from the cell', async () => {
    let isAborted = false
    cell().intercept = (request) => {
      request.on('close', () => {
        isAborted = true
      })
      return true
    }
    const { arrivals } = cell()
    const stream = session.request({ ...HOST, ':path': '/', 'x-tenant': tenant })
    stream.on('error', () => {})
    await until('the request at the cell', () => cell().arrivals > arrivals)
    stream.close(NGHTTP2_CANCEL)
    await until('the cell to be told', () => isAborted)
    cell().intercept = () => false
    assert.equal((await get(session, '/', { 'x-tenant': tenant })).status, 200)
  })

  test('a client that goes away takes back everything it asked for', async () => {
    cell().intercept = () => true
    const { arrivals } = cell()
    const client = await ground.connectHttp2(router.port)
    for (let i = 0; i < 20; i++) {
      client.request({ ...HOST, ':path': '/', 'x-tenant': tenant }).on('error', () => {})
    }
    await until('them at the cell', () => cell().arrivals === arrivals + 20)
    client.destroy()
    await until('nothing under way', async () => (await ground.status(router.adminPort)).in_flight === 0)
    cell().intercept = () => false
  })

  test('an answer that breaks off is a reset, not an end', async () => {
    cell().intercept = (_request, response) => {
      response.writeHead(200, { 'content-length': 100 })
      response.write('half', () => response.destroy())
      return true
    }
    await assert.rejects(get(session, '/', { 'x-tenant': tenant }))
    cell().intercept = () => false
  })

  test('an answer may come before the request is complete, and the rest is not waited for', async () => {
    cell().intercept = (_request, response) => {
      response.writeHead(413, { connection: 'close' }).end('too much')
      return true
    }
    const stream = session.request({ ...HOST, ':method': 'POST', ':path': '/', 'x-tenant': tenant })
    stream.on('error', () => {})
    stream.write('a beginning')
    const { status, body } = await answerOf(stream)
    cell().intercept = () => false
    assert.deepEqual([status, body.toString()], [413, 'too much'])
    await until('the stream to be closed', () => stream.closed)
    assert.equal(stream.rstCode, NGHTTP2_NO_ERROR)
  })

  test('a client that does not read holds the cell back, and other streams go on', async () => {
    let written = 0
    let isOver = false
    cell().intercept = (request, response) => {
      if (request.url !== '/endless') return false
      const chunk = Buffer.alloc(65_536)
      const more = (): void => {
        while (!isOver && !response.destroyed) {
          written += chunk.length
          if (!response.write(chunk)) return void response.once('drain', more)
        }
      }
      more()
      return true
    }
    const stream = session.request({ ...HOST, ':path': '/endless', 'x-tenant': tenant })
    stream.on('error', () => {})
    await once(stream, 'response')
    await stillness('the cell to be held back', async () => {
      assert.equal((await get(session, '/', { 'x-tenant': tenant })).status, 200)
      return written
    })
    assert.ok(written < 32 * 1024 * 1024, `${written} bytes were taken from the cell`)
    isOver = true
    stream.close(NGHTTP2_CANCEL)
    await once(stream, 'close')
    cell().intercept = () => false
  })

  test('a cell that does not read holds its client back, and gets all of the body in the end', async () => {
    let receiveNow = () => {}
    cell().intercept = (request, response) => {
      let received = 0
      receiveNow = () => {
        request.on('data', (bytes: Buffer) => {
          received += bytes.length
        })
        request.on('end', () => response.end(String(received)))
      }
      return true
    }
    const { arrivals } = cell()
    const stream = session.request({ ...HOST, ':method': 'POST', ':path': '/', 'x-tenant': tenant })
    let taken = 0
    for (let i = 0; i < 32; i++) stream.write(Buffer.alloc(1024 * 1024), () => taken++)
    stream.end()
    await until('the request at the cell', () => cell().arrivals > arrivals)
    await stillness('the client to be held back', () => taken)
    assert.ok(taken < 16, `${taken} MiB were taken from the client`)
    receiveNow()
    assert.equal((await answerOf(stream)).body.toString(), String(32 * 1024 * 1024))
    cell().intercept = () => false
  })

  test('a client that resets too many streams is told to go, and nobody else is', async () => {
    const client = await rawClient()
    const fields = [...REQUEST_FIELDS, ['x-tenant', tenant]] as const
    for (let i = 0; i < 400 && !client.isClosed; i++) {
      client.headers(2 * i + 1, fields)
      client.reset(2 * i + 1, NGHTTP2_CANCEL)
    }
    await until('it to be told', () => client.goaways.length > 0)
    assert.deepEqual(client.goaways, [NGHTTP2_ENHANCE_YOUR_CALM])
    await until('its end', () => client.isClosed)
    assert.match(await ground.metrics(router.adminPort), /http2_reset_floods_total 1\n/)
    await until('nothing under way', async () => (await ground.status(router.adminPort)).in_flight === 0)
    assert.equal((await get(session, '/', { 'x-tenant': tenant })).status, 200)
  })

  test('a flood of invalid frames ends its connection', async () => {
    const broken = await rawClient()
    for (let i = 0; i < 200; i++) broken.headers(2 * i + 1, [...REQUEST_FIELDS, ['connection', 'close']])
    await until('the end of the broken one', () => broken.isClosed)
    broken.destroy()
    assert.equal((await get(session, '/', { 'x-tenant': tenant })).status, 200)
  })

  test('an idle connection is told to go and closed', async () => {
    const { port } = await ground.startRouter({}, { router: 'idle', limits: { client_idle_timeout_ms: 200 } })
    const client = rawHttp2(await ground.connect(port, { ALPNProtocols: ['h2'] }))
    await until('its end', () => client.isClosed)
    assert.deepEqual(client.goaways, [NGHTTP2_NO_ERROR])
  })

  test('a stop tells clients to go, lets requests under way finish, and is bounded', async () => {
    const stopping = await ground.startRouter({}, { router: 'stopping' })
    let answerNow = () => {}
    cell().intercept = (_request, response) => {
      answerNow = () => response.end('late')
      return true
    }
    const client = await ground.connectHttp2(stopping.port)
    const { arrivals } = cell()
    const slow = get(client, '/', { 'x-tenant': tenant })
    await until('the request at the cell', () => cell().arrivals > arrivals)
    const toldToGo = once(client, 'goaway')
    const stopped = stopping.stop()
    const [code] = await toldToGo
    assert.equal(code, NGHTTP2_NO_ERROR)
    answerNow()
    assert.equal((await slow).body.toString(), 'late')
    cell().intercept = () => false
    await stopped
    client.destroy()
  })
})
