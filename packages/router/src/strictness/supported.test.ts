import assert from 'node:assert/strict'
import { after, before, beforeEach, describe, test } from 'node:test'
import { OK, type RawConnection } from '../testing/raw-cell.ts'
import { connectRaw, type RawClient } from '../testing/raw-client.ts'
import { until } from '../testing/wait.ts'
import { GOOD, type Ground, head, startGround } from './ground.ts'
import { casesOf, type Row } from './specification.ts'

let ground: Ground
const clients: RawClient[] = []
before(async () => {
  ground = await startGround()
})
beforeEach(() => ground.cell.reset())
after(async () => {
  for (const client of clients) client.destroy()
  await ground.stop()
})

/** A client that has sent this. */
async function sendRaw(text: string): Promise<RawClient> {
  const client = await connectRaw(ground.port)
  clients.push(client)
  client.write(text)
  return client
}

const get = (path: string, ...lines: string[]) => head(`GET ${path}`, ...lines)
const http10 = (path: string, ...lines: string[]) =>
  `GET ${path} HTTP/1.0\r\nx-tenant: acme\r\n${lines.map((line) => `${line}\r\n`).join('')}\r\n`
const text = (body: string, ...lines: string[]) =>
  `HTTP/1.1 200 OK\r\n${[...lines, `content-length: ${body.length}`].join('\r\n')}\r\n\r\n${body}`
const pathOf = (request: string) => /^\S+ (\S+)/.exec(request)![1]!
/** All 256 bytes. */
const BYTES = String.fromCharCode(...Array.from({ length: 256 }, (_, byte) => byte))

/** Answers `OK` only when told so. */
function holdAnswers(): { readonly held: RawConnection[]; release(): void } {
  const held: RawConnection[] = []
  ground.cell.answer = (_request, connection) => {
    held.push(connection)
    return undefined
  }
  return {
    held,
    release() {
      ground.cell.answer = () => OK
      for (const connection of held.splice(0)) connection.write(OK)
    },
  }
}

/**
 * Waits until a figure stays as it is while other requests cross the router: whatever the router would still do by
 * itself, it does before it serves these.
 */
async function untilSteady(figure: () => number): Promise<number> {
  const other = await sendRaw('')
  for (let sent = 1; ; ) {
    const before = figure()
    for (const until = sent + 20; sent < until; sent++) {
      other.write(http10('/other', 'connection: keep-alive'))
      await other.answers(...Array<string>(sent).fill('GET'))
    }
    if (figure() === before) return before
  }
}

/** Looked at once, at the end: there are megabytes of them. */
async function allAnswered(client: RawClient, count: number, row: Row): Promise<void> {
  client.end()
  await client.closed()
  const answers = await client.answers(...Array<string>(count).fill('GET'))
  assert.ok(answers.every(({ status }) => status === row.status))
}

const PIPELINING: Record<string, (row: Row) => Promise<void>> = {
  async pipelining(row) {
    ground.cell.answer = (request) => text(pathOf(request))
    const post = `${head('POST /2', 'content-length: 5')}hello`
    const chunked = `${head('POST /3', 'transfer-encoding: chunked')}5\r\nhello\r\n0\r\n\r\n`
    const client = await sendRaw(get('/1') + post + chunked + get('/4'))
    const answers = await client.answers('GET', 'POST', 'POST', 'GET')
    assert.deepEqual(
      answers.map(({ status, body }) => [status, body]),
      ['/1', '/2', '/3', '/4'].map((path) => [row.status, path]),
    )
    assert.deepEqual(ground.cell.requests.map(pathOf), ['/1', '/2', '/3', '/4'])
    assert.equal(ground.cell.connections.filter(({ received }) => received !== '').length, 1)
  },

  async 'pipelining-one-at-a-time'(row) {
    const { held, release } = holdAnswers()
    const client = await sendRaw(get('/1') + get('/2'))
    await until('the first request', () => held.length > 0)
    release()
    const answers = await client.answers('GET', 'GET')
    assert.equal(answers[1]!.status, row.status)
    // Had the second gone out beside the first, it would have been on another connection.
    assert.equal(ground.cell.connections.filter(({ received }) => received !== '').length, 1)
  },

  async 'pipelining-bound'(row) {
    const count = 2_000
    const { cell } = ground
    const waiting = holdAnswers()
    const large = get('/large', `a: ${'b'.repeat(8_000)}`)
    const client = await sendRaw(large.repeat(count))
    await until('the first request', () => waiting.held.length > 0)
    cell.answer = () => OK
    const left = await untilSteady(() => client.bytesLeft)
    assert.ok(left > 0, 'all was read, though nothing was answered')
    waiting.release()
    await allAnswered(client, count, row)
  },

  async 'pipelining-slow-reader'(row) {
    const count = 2_000
    ground.cell.answer = (request) => (pathOf(request) === '/large' ? text('x'.repeat(10_000)) : OK)
    const client = await sendRaw('')
    client.pause()
    client.write(get('/large').repeat(count))
    const seen = () => ground.cell.requests.filter((request) => pathOf(request) === '/large').length
    await until('the first request', () => seen() > 0)
    assert.ok((await untilSteady(seen)) < count, 'all was answered, though nothing was read')
    client.resume()
    await allAnswered(client, count, row)
  },
}

const MESSAGES: Record<string, (row: Row) => Promise<void>> = {
  async 'head-method'(row) {
    ground.cell.answer = (request) =>
      request.startsWith('HEAD') ? 'HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\n' : OK
    const client = await sendRaw(head('HEAD /') + GOOD)
    const [answer, next] = await client.answers('HEAD', 'GET')
    assert.equal(answer!.status, row.status)
    assert.match(answer!.head, /^content-length: 1000\r$/m)
    assert.equal(next!.body, 'ok')
    assert.equal(ground.cell.connections.filter(({ received }) => received !== '').length, 1)
  },

  async 'status-no-body'(row) {
    const answers = [
      'HTTP/1.1 204 No Content\r\n\r\n',
      'HTTP/1.1 304 Not Modified\r\ncontent-length: 1000\r\n\r\n',
      OK,
    ]
    ground.cell.answer = () => answers.shift()
    const client = await sendRaw(GOOD.repeat(3))
    const [none, notModified, next] = await client.answers('GET', 'GET', 'GET')
    assert.equal(none!.status, row.status)
    assert.doesNotMatch(none!.head, /^(content-length|transfer-encoding|connection):/im)
    assert.equal(notModified!.status, 304)
    assert.match(notModified!.head, /^content-length: 1000\r$/m)
    assert.equal(next!.body, 'ok')
    assert.equal(ground.cell.connections.filter(({ received }) => received !== '').length, 1)
  },

  async 'body-bytes'(row) {
    const body = BYTES.repeat(1_000)
    ground.cell.answer = (request) => text(request.slice(request.indexOf('\r\n\r\n') + 4))
    const client = await sendRaw(head('POST /', `content-length: ${body.length}`) + body)
    const [answer] = await client.answers('POST')
    assert.equal(answer!.status, row.status)
    assert.ok(answer!.body === body, 'the same bytes came back')
  },

  async 'chunked-request'(row) {
    const client = await sendRaw(
      `${head('POST /', 'transfer-encoding: chunked', 'trailer: x-sum')}5\r\nhello\r\n6\r\n world\r\n0\r\nx-sum: 1\r\n\r\n`,
    )
    assert.equal((await client.answers('POST'))[0]!.status, row.status)
    assert.match(ground.cell.requests[0]!, /\r\n\r\n5\r\nhello\r\n6\r\n world\r\n0\r\nx-sum: 1\r\n\r\n$/)
    assert.doesNotMatch(ground.cell.requests[0]!, /^content-length:/im)
  },

  async 'chunked-answer'(row) {
    ground.cell.answer = () =>
      'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n6\r\n world\r\n0\r\nx-sum: 1\r\n\r\n'
    const client = await sendRaw(GOOD.repeat(2))
    for (const { status, head: lines, body, trailers } of await client.answers('GET', 'GET')) {
      assert.equal(status, row.status)
      assert.equal((lines.match(/^transfer-encoding: chunked\r$/gim) ?? []).length, 1)
      assert.equal(body, 'hello world')
      assert.equal(trailers, 'x-sum: 1\r\n')
    }
    assert.equal(ground.cell.connections.filter(({ received }) => received !== '').length, 1)
  },

  async 'chunked-answer-1-0'(row) {
    ground.cell.answer = () =>
      'HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\nx-sum: 1\r\n\r\n'
    const client = await sendRaw(http10('/', 'connection: keep-alive'))
    const [answer] = await client.answers('GET')
    assert.equal(answer!.status, row.status)
    assert.equal(answer!.body, 'hello')
    assert.doesNotMatch(answer!.head, /^transfer-encoding:/im)
    assert.match(answer!.head, /^connection: close\r$/m)
  },

  async 'answer-until-close'(row) {
    for (const request of [GOOD, http10('/')]) {
      ground.cell.reset()
      ground.cell.answer = (_request, connection) => {
        connection.write('HTTP/1.1 200 OK\r\n\r\nhello')
        connection.end()
        return undefined
      }
      const client = await sendRaw(request)
      const [answer] = await client.answers('GET')
      assert.equal(answer!.status, row.status)
      assert.equal(answer!.body, 'hello')
      assert.equal(/^transfer-encoding: chunked\r$/m.test(answer!.head), request === GOOD)
      const used = ground.cell.connections.find(({ received }) => received !== '')!
      await until('the cell’s connection to be closed', () => !used.isOpen)
    }
  },

  async 'options-asterisk'(row) {
    const client = await sendRaw(head('OPTIONS *'))
    assert.equal((await client.answers('OPTIONS'))[0]!.status, row.status)
    assert.match(ground.cell.requests[0]!, /^OPTIONS \* HTTP\/1\.1\r\n/)
  },
}

const INTERIM: Record<string, (row: Row) => Promise<void>> = {
  async interim(row) {
    ground.cell.answer = () => `HTTP/1.1 103 Early Hints\r\nlink: </a>\r\ncellplane-x: y\r\n\r\n${OK}`
    const client = await sendRaw(GOOD)
    assert.equal((await client.answers('GET'))[0]!.status, row.status)
    assert.match(client.received, /^HTTP\/1\.1 103 Early Hints\r\nlink: <\/a>\r\n\r\nHTTP\/1\.1 200 OK\r\n/)
  },

  async 'interim-1-0'(row) {
    ground.cell.answer = () => `HTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\n${OK}`
    const client = await sendRaw(http10('/'))
    assert.equal((await client.answers('GET'))[0]!.status, row.status)
    assert.match(client.received, /^HTTP\/1\.1 200 OK\r\n/)
  },

  async 'expect-continue'(row) {
    // The cell says it again, as servers do that are not told of the expectation.
    ground.cell.onHead = (connection) => connection.write('HTTP/1.1 100 Continue\r\n\r\n')
    const client = await sendRaw(head('POST /', 'content-length: 5', 'Expect: 100-Continue'))
    await client.receives('HTTP/1.1 100 Continue\r\n\r\n')
    client.write('hello')
    assert.equal((await client.answers('POST'))[0]!.status, row.status)
    assert.equal((client.received.match(/ 100 Continue/g) ?? []).length, 1)
    assert.doesNotMatch(ground.cell.requests[0]!, /^expect:/im)
    assert.match(ground.cell.requests[0]!, /\r\n\r\nhello$/)
  },

  async 'expect-continue-sent'(row) {
    const client = await sendRaw(`${head('POST /', 'content-length: 5', 'expect: 100-continue')}hello`)
    assert.equal((await client.answers('POST'))[0]!.status, row.status)
    assert.doesNotMatch(ground.cell.requests[0]!, /^expect:/im)
    assert.match(ground.cell.requests[0]!, /\r\n\r\nhello$/)
  },
}

const CONNECTIONS: Record<string, (row: Row) => Promise<void>> = {
  async 'close-1-1'(row) {
    const client = await sendRaw(get('/', 'Connection: Close') + GOOD)
    const [answer] = await client.answers('GET')
    assert.equal(answer!.status, row.status)
    assert.match(answer!.head, /^connection: close\r$/m)
    await client.closed()
    assert.equal(ground.cell.requests.length, 1, 'what follows is not served')
  },

  async 'close-1-0'(row) {
    const client = await sendRaw(http10('/'))
    const [answer] = await client.answers('GET')
    assert.equal(answer!.status, row.status)
    assert.match(answer!.head, /^connection: close\r$/m)
    await client.closed()
  },

  async 'keep-alive-1-0'(row) {
    const client = await sendRaw(http10('/1', 'connection: Keep-Alive') + http10('/2'))
    const [first, second] = await client.answers('GET', 'GET')
    assert.equal(first!.status, row.status)
    assert.match(first!.head, /^connection: keep-alive\r$/m)
    assert.equal(second!.status, row.status)
    await client.closed()
  },

  async 'half-close'(row) {
    const { held, release } = holdAnswers()
    const client = await sendRaw(GOOD + get('/2'))
    client.end()
    await until('the first request', () => held.length > 0)
    release()
    const answers = await client.answers('GET', 'GET')
    assert.ok(answers.every(({ status }) => status === row.status))
    await client.closed()
  },
}

const UPGRADE = get('/ws', 'Connection: keep-alive, Upgrade', 'Upgrade: WebSocket', 'sec-websocket-key: k')
const SWITCHED =
  'HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nsec-websocket-accept: a\r\n\r\n'

const UPGRADES: Record<string, (row: Row) => Promise<void>> = {
  async 'upgrade-websocket'(row) {
    let tunnel: RawConnection | undefined
    ground.cell.answer = (_request, connection) => {
      tunnel = connection
      return `${SWITCHED}from the cell`
    }
    const client = await sendRaw(`${UPGRADE}early`)
    await client.receives('from the cell')
    assert.match(client.received, new RegExp(`^HTTP/1\\.1 ${row.status} `))
    assert.match(client.received, /^connection: upgrade\r\nupgrade: websocket\r$/im)
    assert.match(client.received, /^sec-websocket-accept: a\r$/m)
    await until('what was sent early', () => tunnel!.received.endsWith('\r\n\r\nearly'))
    const request = ground.cell.requests[0]!
    assert.match(request, /^connection: upgrade\r\nupgrade: websocket\r$/m)
    assert.match(request, /^sec-websocket-key: k\r$/m)
    client.write(BYTES)
    await until('bytes at the cell', () => tunnel!.received.endsWith(`early${BYTES}`))
    tunnel!.write(BYTES)
    await client.receives(`from the cell${BYTES}`)
    client.end()
    await client.closed()
    await until('the tunnel to be closed', () => !tunnel!.isOpen)
  },

  async 'upgrade-refused'(row) {
    ground.cell.answer = (request) =>
      pathOf(request) === '/ws' ? text('no').replace('200 OK', '403 Forbidden') : OK
    const client = await sendRaw(UPGRADE + GOOD)
    const [answer, next] = await client.answers('GET', 'GET')
    assert.equal(answer!.status, row.status)
    assert.equal(next!.body, 'ok')
  },

  async 'upgrade-other'(row) {
    const others = [
      get('/', 'connection: upgrade, http2-settings', 'upgrade: h2c', 'http2-settings: AAMAAABkAAQ'),
      get('/', 'connection: upgrade', 'upgrade: websocket, h2c'),
      get('/', 'upgrade: websocket'),
      `${head('POST /', 'connection: upgrade', 'upgrade: websocket', 'content-length: 2')}ok`,
      http10('/', 'connection: upgrade', 'upgrade: websocket'),
    ]
    for (const other of others) {
      ground.cell.reset()
      const client = await sendRaw(other)
      assert.equal((await client.answers('GET'))[0]!.status, row.status, other)
      assert.doesNotMatch(ground.cell.requests[0]!, /^(connection|upgrade|http2-settings):/im, other)
    }
  },
}

describe('supported:', () => {
  const all = { ...PIPELINING, ...MESSAGES, ...INTERIM, ...CONNECTIONS, ...UPGRADES }
  for (const [row, check] of casesOf('Supported', all)) {
    test(`${row.id}: ${row.title}`, () => check(row))
  }
})
