/** Large bodies, one after the other on each connection: up (a request's body) or down (an answer's), with backpressure. */
import type { Socket } from 'node:net'
import { DOWNLOAD_PREFIX, tenantHeader } from '../workload.ts'
import { createAnswerReader } from './answer-reader.ts'
import { type Measured, startMeasurement } from './measurement.ts'
import type { RequestSource } from './requests.ts'
import { connectTo, type Target } from './target.ts'

export type Bodies = {
  target: Target
  direction: 'up' | 'down'
  bytes: number
  connections: number
  warmUpMs: number
  /** 0: measures one body, from its first byte until its answer was read; `connections` is 1 then. */
  measureMs: number
}

const PART_BYTES = 65_536
const part = Buffer.alloc(PART_BYTES, 'u')

export async function runBodies(load: Bodies, source: RequestSource): Promise<Measured> {
  const { bytes, direction, target } = load
  let answered = 0
  let isOver = false
  let onAnswer: () => void = () => {}

  function runConnection(): Promise<void> {
    return new Promise((resolve) => {
      const reader = direction === 'down' ? createAnswerReader(bytes) : createAnswerReader()
      let tenant = 0
      let isWaiting = true
      const next = (socket: Socket) => {
        tenant = source.nextTenant()
        isWaiting = true
        socket.write(headOf(tenant, load), 'latin1')
        if (direction === 'up') writeBody(socket, bytes)
      }
      const socket = connectTo(target, next, (read, buffer) => {
        const cell = reader.take(read, buffer)
        if (cell < 0) return
        source.check(tenant, cell)
        isWaiting = false
        answered++
        onAnswer()
        if (isOver) socket.destroy()
        else next(socket)
      })
      socket.once('close', () => {
        if (isWaiting)
          throw new Error(`the proxy closed a connection before a body of ${bytes} bytes was through`)
        resolve()
      })
    })
  }

  if (load.measureMs === 0) {
    isOver = true
    const finish = startMeasurement(target.pids, () => answered)
    let measured: Measured | undefined
    onAnswer = () => {
      measured = finish()
    }
    await runConnection()
    return measured!
  }
  const connections = Array.from({ length: load.connections }, runConnection)
  await delay(load.warmUpMs)
  const finish = startMeasurement(target.pids, () => answered)
  await delay(load.measureMs)
  const measured = finish()
  isOver = true
  await Promise.all(connections)
  return { ...measured, answered }
}

function headOf(tenant: number, { direction, bytes }: Bodies): string {
  const start =
    direction === 'up'
      ? `POST /v1/files HTTP/1.1\r\ncontent-length: ${bytes}`
      : `GET ${DOWNLOAD_PREFIX}${bytes} HTTP/1.1`
  return `${start}\r\nhost: api.bench.example\r\n${tenantHeader(tenant)}\r\n\r\n`
}

function writeBody(socket: Socket, bytes: number): void {
  let left = bytes
  const writeMore = () => {
    while (left > 0) {
      const size = Math.min(left, PART_BYTES)
      left -= size
      const isRoom = socket.write(size === PART_BYTES ? part : part.subarray(0, size))
      if (!isRoom && left > 0) {
        socket.once('drain', writeMore)
        return
      }
    }
  }
  writeMore()
}

function delay(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms))
}
