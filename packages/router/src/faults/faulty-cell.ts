/**
 * Cells that fail below HTTP: one that a test answers for, byte by byte, and one that accepts no connection.
 *
 * The second is a port whose process never accepts and whose queue of connections is full: from then on the kernel drops
 * the first packet of each further one, which is how a machine that hangs, or a firewall, looks from outside.
 */
import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { Worker } from 'node:worker_threads'
import type { FakeFleet } from '../testing/fake-fleet.ts'
import { type RawConnection, startRawCell } from '../testing/raw-cell.ts'

/** What a fake cell would answer, as bytes. */
export function echo(request: string, more: readonly string[] = []): { head: string; body: string } {
  const [, path = ''] = request.split(' ', 2)
  const lineOf = (name: string) => new RegExp(`^${name}: (.*)\r$`, 'm').exec(request)?.[1]
  const headers = { 'cellplane-tenant': lineOf('cellplane-tenant') }
  const body = JSON.stringify({ cell: lineOf('cellplane-cell'), path, headers })
  const lines = ['content-type: application/json', `content-length: ${body.length}`, ...more]
  return { head: `HTTP/1.1 200 OK\r\n${lines.join('\r\n')}\r\n\r\n`, body }
}

export const whole = (request: string): string => Object.values(echo(request)).join('')

/** Replaces cell-0 by one that answers as `answer` says, until `stop`. */
export async function startFaultyCell(
  fleet: FakeFleet,
  answer: (request: string, connection: RawConnection) => string | undefined,
) {
  const cell = await startRawCell()
  cell.answer = answer
  publishCellAt(fleet, cell.url)
  return cell
}

/** Publishes a base in which the cells of these slots, cell-0 if none is given, are at `url`. */
export function publishCellAt(fleet: FakeFleet, url: string, ...slots: number[]): number {
  const moved = slots.length > 0 ? slots : [0]
  const cells = fleet
    .buildBase()
    .cells.map((cell) => (moved.includes(cell.slot) ? { ...cell, endpoints: { http: url } } : cell))
  return fleet.publishBase({ cells }).version
}

/** After so long without an answer the queue is full: on one machine a connection takes microseconds. */
const CONNECT_PATIENCE_MS = 500
const QUEUE_MAX = 16

const LISTEN_AND_SLEEP = `
  const { parentPort } = require('node:worker_threads')
  const server = require('node:net').createServer().listen({ host: '127.0.0.1', port: 0, backlog: 1 }, () => {
    parentPort.postMessage(server.address().port)
    // Once the message is out the thread sleeps, and nothing accepts.
    setImmediate(() => Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0))
  })`

/** A port to which no connection comes about. */
export async function startDeafPort(): Promise<{ url: string; stop(): Promise<void> }> {
  const worker = new Worker(LISTEN_AND_SLEEP, { eval: true })
  const [port] = (await once(worker, 'message')) as [number]
  const waiting: Socket[] = []
  let isFull = false
  while (!isFull) {
    if (waiting.length > QUEUE_MAX) throw new Error(`a queue of 1 took ${waiting.length} connections`)
    const socket = connect(port, '127.0.0.1').on('error', () => {})
    waiting.push(socket)
    isFull = await once(socket, 'connect', { signal: AbortSignal.timeout(CONNECT_PATIENCE_MS) }).then(
      () => false,
      () => true,
    )
  }
  return {
    url: `http://127.0.0.1:${port}`,
    async stop() {
      for (const socket of waiting) socket.destroy()
      await worker.terminate()
    },
  }
}
