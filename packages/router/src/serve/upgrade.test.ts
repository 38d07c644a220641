import assert from 'node:assert/strict'
import { request } from 'node:http'
import type { Duplex } from 'node:stream'
import { test } from 'node:test'
import { send } from '../testing/client.ts'
import { type FakeFleet, type RouterOptions, startFakeFleet } from '../testing/fake-fleet.ts'
import { until } from '../testing/wait.ts'

type Upgraded = { status: number; headers: Record<string, unknown>; socket: Duplex | null; text: string }

function upgrade(port: number, tenant: string): Promise<Upgraded> {
  return new Promise((resolve, reject) => {
    const headers = {
      'x-tenant': tenant,
      connection: 'Upgrade',
      upgrade: 'websocket',
      'cellplane-secret': 'x',
    }
    const opening = request({ port, headers })
    opening.on('error', reject)
    opening.on('upgrade', (answer, socket) =>
      resolve({ status: answer.statusCode!, headers: answer.headers, socket, text: '' }),
    )
    opening.on('response', (answer) => {
      let text = ''
      answer.setEncoding('utf8').on('data', (chunk: string) => {
        text += chunk
      })
      answer.on('end', () =>
        resolve({ status: answer.statusCode!, headers: answer.headers, socket: null, text }),
      )
    })
    opening.end()
  })
}

async function withFleet(
  run: (fleet: FakeFleet, port: number) => Promise<void>,
  options: RouterOptions = {},
): Promise<void> {
  const fleet = await startFakeFleet()
  try {
    const { port } = await fleet.startRouter(options)
    await until('a topology', async () => (await send(port)).status === 200)
    await run(fleet, port)
  } finally {
    await fleet.stop()
  }
}

/** A WebSocket as this test needs it: one unmasked frame, and what it says back. */
const frame = (text: string) => `\x82${String.fromCharCode(text.length)}${text}`
const GOING_AWAY = '\x88\x02\x03\xe9'

/** A cell that switches protocols and answers each piece with a frame. */
function echoFrames(fleet: FakeFleet, index: number): void {
  const cell = fleet.cells[index]!
  cell.server.on('upgrade', (seen, socket: Duplex) => {
    assert.equal(seen.headers['cellplane-secret'], fleet.secretOf(cell))
    socket.write('HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n')
    socket.on('data', (chunk: Buffer) => socket.write(frame(`echo ${chunk}`), 'latin1'))
    socket.on('end', () => socket.end()).on('error', () => socket.destroy())
  })
}

async function openWebSocket(port: number, tenant: string) {
  const { status, headers, socket } = await upgrade(port, tenant)
  assert.equal(status, 101)
  const seen = { headers, socket: socket!, heard: '', isClosed: false }
  socket!.on('data', (chunk: Buffer) => {
    seen.heard += chunk.toString('latin1')
  })
  socket!.on('close', () => {
    seen.isClosed = true
  })
  socket!.on('error', () => {})
  socket!.write('hello')
  await until('the echo', () => seen.heard === frame('echo hello'))
  return seen
}

test('a WebSocket is joined to the home cell; a stop tells it to go, and waits for it', () =>
  withFleet(async (fleet, port) => {
    echoFrames(fleet, 1)
    const opened = await openWebSocket(port, fleet.tenantOn(1, 0))
    assert.equal(opened.headers['cellplane-cell'], 'cell-1')
    const stopped = fleet.stopRouters()
    await until('the close frame', () => opened.heard === frame('echo hello') + GOING_AWAY)
    assert.equal(opened.isClosed, false)
    opened.socket.end()
    await stopped
    await until('the end', () => opened.isClosed)
  }))

test('a WebSocket that does not go is cut', () =>
  withFleet(
    async (fleet, port) => {
      echoFrames(fleet, 1)
      const opened = await openWebSocket(port, fleet.tenantOn(1, 0))
      await fleet.stopRouters()
      await until('the end', () => opened.isClosed)
      assert.ok(opened.heard.endsWith(GOING_AWAY))
    },
    { limits: { stream_leave_ms: 50 } },
  ))

test('streams at a cell that drains are told to go; the others stay', () =>
  withFleet(async (fleet, port) => {
    echoFrames(fleet, 0)
    echoFrames(fleet, 1)
    fleet.cells[0]!.answer = (_seen, response) => {
      response.writeHead(200, { 'content-type': 'text/event-stream' })
      response.write('data: one\n\n')
    }
    const leaving = await openWebSocket(port, fleet.tenantOn(0, 1))
    const staying = await openWebSocket(port, fleet.tenantOn(1, 0))
    const events = send(port, { headers: ['x-tenant', fleet.tenantOn(0, 1)] })
    await until('the stream', () => fleet.cells[0]!.arrivals > 0)
    const { cells } = fleet.buildBase()
    fleet.publishBase({
      cells: cells.map((cell) => (cell.slot === 0 ? { ...cell, state: 'draining' } : cell)),
    })
    await until('the close frame', () => leaving.heard.endsWith(GOING_AWAY))
    assert.equal((await events).text, 'data: one\n\n')
    assert.equal(staying.heard, frame('echo hello'))
    leaving.socket.destroy()
    staying.socket.destroy()
  }))

test('a cell that does not upgrade, or is gone, is answered for', () =>
  withFleet(async (fleet, port) => {
    const tenant = fleet.tenantOn(0, 1)
    fleet.cells[0]!.server.on('upgrade', (_seen, socket: Duplex) => {
      socket.end('HTTP/1.1 400 Bad Request\r\ncontent-length: 2\r\n\r\nno')
    })
    const refused = await upgrade(port, tenant)
    assert.equal(refused.status, 400)
    assert.equal(refused.text, 'no')
    await fleet.cells[0]!.kill()
    assert.equal((await upgrade(port, tenant)).status, 200, 'the alternate answers in its place')
    await fleet.cells[1]!.kill()
    const gone = await upgrade(port, tenant)
    assert.equal(gone.status, 503)
    assert.equal(JSON.parse(gone.text).code, 'SHARD_UNAVAILABLE')
  }))
