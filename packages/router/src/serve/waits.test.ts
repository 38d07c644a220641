import assert from 'node:assert/strict'
import { EventEmitter } from 'node:events'
import { request } from 'node:https'
import { test } from 'node:test'
import type { Cell } from '../cells/cell.ts'
import { startTlsGround } from '../testing/tls-ground.ts'
import { until } from '../testing/wait.ts'
import type { CellConnection } from './cell-connection.ts'
import { ClientConnection, type ClientSocket } from './client-connection.ts'
import type { ServeDeps } from './deps.ts'
import { createReads } from './read-buffer.ts'
import { Tunnel } from './tunnel.ts'

const NOW = 1_000
const IDLE_MS = 50
const LEAVE_MS = 20

/** A client in a WebSocket whose socket takes nothing, until it is told to. */
function openTunnel() {
  const calls: string[] = []
  const note = (what: string) => () => void calls.push(what)
  const socket = Object.assign(new EventEmitter(), {
    writableNeedDrain: true,
    writableLength: 1,
    write: (): boolean => false,
    pause: note('pause'),
    resume: note('resume'),
    end: note('end'),
    destroy: note('destroy'),
    destroySoon: note('destroySoon'),
  })
  const limits = { head_timeout_ms: 10, idle_timeout_ms: IDLE_MS, stream_leave_ms: LEAVE_MS }
  const deadlines = { now: NOW, watch() {}, forget() {}, stop() {} }
  const deps = { limits, deadlines } as unknown as ServeDeps
  const client = new ClientConnection(deps, () => socket as ClientSocket, null)
  const connection = { deadline: 0, pause() {}, resume() {}, destroy() {} } as unknown as CellConnection
  const tunnel = new Tunnel(deps, client, connection, 'head', () => {})
  client.becomeTunnel(tunnel, {} as Cell)
  client.deadline = Number.POSITIVE_INFINITY
  return { calls, client, socket, tunnel }
}

test('a WebSocket’s client that does not read what is left is waited for as long as any slow reader', () => {
  const { calls, client, socket, tunnel } = openTunnel()
  // What is left is below the mark, so that nobody was told to wait for it.
  socket.write = () => true
  tunnel.onCellFailed()
  assert.deepEqual(calls, ['destroySoon'])
  assert.equal(client.deadline, NOW + IDLE_MS)
  client.onDeadline()
  assert.deepEqual(calls, ['destroySoon', 'destroy'])
})

test('a WebSocket’s client that reads its goodbye late has as long to go as the others', () => {
  const { client, socket, tunnel } = openTunnel()
  tunnel.askToLeave()
  assert.equal(client.deadline, NOW + LEAVE_MS)
  socket.emit('drain')
  assert.equal(client.deadline, NOW + LEAVE_MS)
})

test('a cell that stops taking a body is blamed, not the client, also where bytes come in small reads', async () => {
  const ground = await startTlsGround()
  try {
    const { port, adminPort } = await ground.startRouter({}, { limits: { response_timeout_ms: 200 } })
    ground.fleet.cells[0]!.intercept = (incoming) => Boolean(incoming.pause())
    const upload = request({
      port,
      method: 'POST',
      ca: ground.authority.certPem,
      servername: 'router.test',
      headers: ['host', 'router.test', 'x-tenant', ground.fleet.tenantOn(0, 1), 'content-length', '67108864'],
    })
    // The router closes while the body is coming, which a client may see before the answer.
    upload.on('error', () => {})
    upload.end(Buffer.alloc(64 * 1024 * 1024))
    const refused = await until('the refusal', async () =>
      (await ground.metrics(adminPort)).split('\n').find((line) => line.includes('refused_total{code=')),
    )
    assert.match(refused, /UPSTREAM_TIMEOUT/)
    upload.destroy()
  } finally {
    await ground.stop()
  }
})

test('a socket that reads by itself is given no buffer for a large body', () => {
  const reads = createReads(() => {})
  reads.readOwn()
  const shared = createReads(() => {}).options.buffer as () => Uint8Array
  assert.equal((reads.options.buffer as () => Uint8Array)(), shared())
})
