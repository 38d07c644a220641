import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { setInterval as ticks } from 'node:timers/promises'
import type { RouterOptions } from '../testing/fake-fleet.ts'
import type { RawConnection } from '../testing/raw-cell.ts'
import { connectRaw, type RawClient } from '../testing/raw-client.ts'
import { until } from '../testing/wait.ts'
import { GOOD, type Ground, head, startGround } from './ground.ts'
import { casesOf, type Row } from './specification.ts'

/** Short ones to wait for, and long enough ones that a busy machine does not reach them by itself. */
const SHORT_MS = 300
const LONG_MS = 60_000

type LimitCase = {
  readonly limits: RouterOptions['limits']
  run(ground: Ground, row: Row): Promise<void>
  /** Connections to the cell stand only after TLS, which it does not speak. */
  readonly isUnreachable?: boolean
}

const HEAD_BEGUN = GOOD.slice(0, 40)

async function sendRaw({ port }: Ground, text: string): Promise<RawClient> {
  const client = await connectRaw(port)
  client.write(text)
  return client
}

/** One byte now and then, for as long as the connection stands. */
async function trickle(write: (text: string) => void, isOver: () => boolean): Promise<void> {
  for await (const _ of ticks(20)) {
    if (isOver()) return
    write('x')
  }
}

/** The connection on which a request came that the cell leaves to the test. */
async function held(
  { cell }: Ground,
  request: () => Promise<RawClient>,
): Promise<[RawClient, RawConnection]> {
  let asked: RawConnection | undefined
  cell.onHead = (connection) => {
    asked = connection
  }
  cell.answer = () => undefined
  const client = await request()
  return [client, await until('the request at the cell', () => asked)]
}

async function assertRefused(client: RawClient, row: Row, isKept = false): Promise<void> {
  const [answer] = await client.answers('GET')
  assert.equal(answer!.status, row.status)
  assert.equal(JSON.parse(answer!.body).code, row.code)
  assert.equal(/^connection: close\r$/m.test(answer!.head), !isKept)
  if (isKept) client.destroy()
  else await client.closed()
}

const CLIENTS: Record<string, LimitCase> = {
  'slow-head': {
    limits: { head_timeout_ms: SHORT_MS },
    async run(ground, row) {
      for (const first of ['', GOOD]) {
        const methods = first === '' ? [] : ['GET']
        const client = await sendRaw(ground, first + HEAD_BEGUN)
        const isAnswered = () => client.received.includes(` ${row.status} `)
        await trickle(client.write, () => isAnswered() || client.hasEnded)
        const answer = (await client.answers(...methods, 'GET')).at(-1)!
        assert.equal(answer.status, row.status)
        assert.equal(JSON.parse(answer.body).code, row.code)
        assert.match(answer.head, /^connection: close\r$/m)
        await client.closed()
        assert.equal(ground.cell.requests.length, methods.length)
      }
    },
  },
  'silent-client': {
    limits: { head_timeout_ms: SHORT_MS },
    async run(ground, row) {
      const client = await sendRaw(ground, '')
      await client.closed()
      assert.equal(client.received, '')
      assert.equal(row.status, 0)
    },
  },
  'idle-client': {
    limits: { client_idle_timeout_ms: SHORT_MS },
    async run(ground, row) {
      const client = await sendRaw(ground, GOOD)
      await client.answers('GET')
      const { length } = client.received
      await client.closed()
      assert.equal(client.received.length, length)
      assert.equal(row.status, 0)
    },
  },
  'slow-body': {
    limits: { response_timeout_ms: SHORT_MS },
    async run(ground, row) {
      for (const framing of ['content-length: 10', 'transfer-encoding: chunked']) {
        ground.cell.reset()
        const [client, asked] = await held(ground, () => sendRaw(ground, `${head('POST /', framing)}5\r\nhe`))
        await assertRefused(client, row)
        await until('the cell’s connection to be closed', () => !asked.isOpen)
        assert.equal(ground.cell.requests.length, 0)
      }
    },
  },
  'slow-reader': {
    limits: { idle_timeout_ms: SHORT_MS },
    async run(ground, row) {
      const [client, asked] = await held(ground, async () => {
        const reader = await sendRaw(ground, '')
        reader.pause()
        reader.write(GOOD)
        return reader
      })
      const body = 'x'.repeat(32 * 1024 * 1024)
      asked.write(`HTTP/1.1 200 OK\r\ncontent-length: ${body.length}\r\n\r\n${body}`)
      await until('the cell’s connection to be closed', () => !asked.isOpen)
      client.resume()
      await client.closed()
      assert.ok(client.received.length < body.length)
      assert.equal(row.status, 0)
    },
  },
  'head-limit': {
    limits: { header_bytes_max: 1_024 },
    async run(ground, row) {
      const fill = (bytes: number) => head('GET /', `a: ${'b'.repeat(bytes - head('GET /', 'a: ').length)}`)
      const client = await sendRaw(ground, fill(1_024) + fill(1_025))
      const [whole, refused] = await client.answers('GET', 'GET')
      assert.equal(whole!.status, 200)
      assert.equal(refused!.status, row.status)
      assert.equal(JSON.parse(refused!.body).code, row.code)
      await client.closed()
    },
  },
  'connections-limit': {
    limits: { connections_max: 2 },
    async run(ground, row) {
      const first = await sendRaw(ground, GOOD)
      const second = await sendRaw(ground, GOOD)
      await Promise.all([first.answers('GET'), second.answers('GET')])
      const third = await sendRaw(ground, '')
      await third.closed()
      assert.equal(third.received, '')
      assert.equal(row.status, 0)
      first.destroy()
      second.destroy()
    },
  },
  'in-flight-limit': {
    limits: { in_flight_max: 1 },
    async run(ground, row) {
      const [first] = await held(ground, () => sendRaw(ground, GOOD))
      await assertRefused(await sendRaw(ground, GOOD), row, true)
      first.destroy()
    },
  },
}

const CELLS: Record<string, LimitCase> = {
  'cell-unreachable': {
    limits: { connect_timeout_ms: SHORT_MS },
    isUnreachable: true,
    async run(ground, row) {
      await assertRefused(await sendRaw(ground, GOOD), row, true)
      assert.doesNotMatch(ground.cell.received, /GET/)
    },
  },
  'cell-full': {
    limits: { sockets_per_cell_max: 1 },
    async run(ground, row) {
      const [first] = await held(ground, () => sendRaw(ground, GOOD))
      await assertRefused(await sendRaw(ground, GOOD), row, true)
      first.destroy()
    },
  },
  'cell-silent': {
    limits: { response_timeout_ms: SHORT_MS },
    async run(ground, row) {
      const [client, asked] = await held(ground, () => sendRaw(ground, GOOD))
      asked.write('HTTP/1.1 200 OK\r\n')
      await assertRefused(client, row, true)
      await until('the cell’s connection to be closed', () => !asked.isOpen)
    },
  },
  'cell-stops': {
    limits: { idle_timeout_ms: SHORT_MS },
    async run(ground, row) {
      const [client, asked] = await held(ground, () => sendRaw(ground, GOOD))
      asked.write('HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhello')
      await client.closed()
      assert.match(client.received, /\r\n\r\nhello$/)
      await until('the cell’s connection to be closed', () => !asked.isOpen)
      assert.equal(row.status, 0)
    },
  },
  'cell-trickles': {
    limits: { idle_timeout_ms: 2_000, response_timeout_ms: 1_000 },
    async run(ground, row) {
      const length = 150
      const [client, asked] = await held(ground, () => sendRaw(ground, GOOD))
      asked.write(`HTTP/1.1 200 OK\r\ncontent-length: ${length}\r\n\r\n`)
      let sent = 0
      await trickle(
        (byte) => asked.write(byte),
        () => sent++ === length,
      )
      const [answer] = await client.answers('GET')
      assert.equal(answer!.status, row.status)
      assert.equal(answer!.body.length, length)
      client.destroy()
    },
  },
  'tunnel-idle': {
    limits: { idle_timeout_ms: SHORT_MS },
    async run(ground, row) {
      const [client, asked] = await held(ground, () =>
        sendRaw(ground, head('GET /', 'connection: upgrade', 'upgrade: websocket')),
      )
      asked.write('HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n')
      await client.closed()
      assert.match(client.received, /^HTTP\/1\.1 101 /)
      await until('the cell’s connection to be closed', () => !asked.isOpen)
      assert.equal(row.status, 0)
    },
  },
}

const UNREACHED = {
  ...{ head_timeout_ms: LONG_MS, client_idle_timeout_ms: LONG_MS },
  ...{ response_timeout_ms: LONG_MS, idle_timeout_ms: LONG_MS },
}

// Each has a router of its own, and mostly waits.
describe('a limit holds:', { concurrency: 4 }, () => {
  for (const [row, { limits, run, isUnreachable }] of casesOf('Timeouts and limits', {
    ...CLIENTS,
    ...CELLS,
  })) {
    test(`${row.id}: ${row.title}`, async () => {
      const ground = await startGround({ limits: { ...UNREACHED, ...limits }, isUnreachable })
      try {
        await run(ground, row)
      } finally {
        await ground.stop()
      }
    })
  }
})
