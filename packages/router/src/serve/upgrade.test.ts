import assert from 'node:assert/strict'
import { request } from 'node:http'
import type { Duplex } from 'node:stream'
import { test } from 'node:test'
import { send } from '../testing/client.ts'
import { type FakeFleet, startFakeFleet } from '../testing/fake-fleet.ts'
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

async function withFleet(run: (fleet: FakeFleet, port: number) => Promise<void>): Promise<void> {
  const fleet = await startFakeFleet()
  try {
    const { port } = await fleet.startRouter()
    await until('a topology', async () => (await send(port)).status === 200)
    await run(fleet, port)
  } finally {
    await fleet.stop()
  }
}

test('an upgraded connection is joined to the home cell, and ended by a stop', () =>
  withFleet(async (fleet, port) => {
    fleet.cells[1]!.server.on('upgrade', (seen, socket: Duplex) => {
      assert.equal(seen.headers['cellplane-secret'], fleet.secretOf(fleet.cells[1]!))
      socket.write('HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n')
      socket.on('data', (chunk: Buffer) => socket.write(`echo ${chunk}`))
      socket.on('end', () => socket.end()).on('error', () => socket.destroy())
    })
    const { status, headers, socket } = await upgrade(port, fleet.tenantOn(1, 0))
    assert.equal(status, 101)
    assert.equal(headers['cellplane-cell'], 'cell-1')
    let heard = ''
    let isClosed = false
    socket!.on('data', (chunk: Buffer) => {
      heard += chunk
    })
    socket!.on('close', () => {
      isClosed = true
    })
    socket!.on('error', () => {})
    socket!.write('hello')
    await until('the echo', () => heard === 'echo hello')
    await fleet.stop()
    await until('the end', () => isClosed)
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
