/**
 * Closed loop: each of a number of connections sends its next request when the answer to the last one is there. What
 * it measures is cost, as CPU per request; not latency, which a closed loop flatters.
 *
 * With `isConnectionPerRequest` every request has a connection of its own and says `connection: close`.
 */
import type { Socket } from 'node:net'
import { createAnswerReader } from './answer-reader.ts'
import { type Measured, startMeasurement } from './measurement.ts'
import type { RequestSource } from './requests.ts'
import { connectTo, type Target } from './target.ts'

export type ClosedLoop = {
  target: Target
  connections: number
  warmUpMs: number
  /** The warm-up also goes on until so many requests were answered, so that every token was seen. */
  warmUpRequests?: number
  measureMs: number
  isConnectionPerRequest?: boolean
}

const WARM_UP_MAX_MS = 60_000
const POLL_MS = 20

/** Resolves when the last connection is closed. */
export async function runClosedLoop(loop: ClosedLoop, source: RequestSource): Promise<Measured> {
  const open = new Set<Socket>()
  let answered = 0
  let isOver = false
  let onIdle: () => void = () => {}

  function openConnection(): void {
    const reader = createAnswerReader()
    let tenant = 0
    let isWaiting = true
    const send = (socket: Socket) => {
      tenant = source.nextTenant()
      isWaiting = true
      socket.write(source.texts[tenant]!, 'latin1')
    }
    const socket = connectTo(loop.target, send, (bytes, buffer) => {
      const cell = reader.take(bytes, buffer)
      if (cell < 0) return
      if (!isWaiting) throw new Error('an answer came that nobody had asked for')
      source.check(tenant, cell)
      isWaiting = false
      answered++
      if (loop.isConnectionPerRequest) socket.end()
      else if (isOver) socket.destroy()
      else send(socket)
    })
    open.add(socket)
    socket.once('close', () => {
      open.delete(socket)
      if (isWaiting) throw new Error('the proxy closed a connection before it had answered')
      if (!isOver) {
        if (!loop.isConnectionPerRequest) throw new Error('the proxy closed a connection that was in use')
        openConnection()
      } else if (open.size === 0) onIdle()
    })
  }

  async function untilAnswered(requests: number): Promise<void> {
    const deadline = performance.now() + WARM_UP_MAX_MS
    while (answered < requests) {
      if (performance.now() > deadline) {
        throw new Error(
          `${answered} requests were answered in ${WARM_UP_MAX_MS} ms of warm-up; expected ${requests}`,
        )
      }
      await delay(POLL_MS)
    }
  }

  for (let i = 0; i < loop.connections; i++) openConnection()
  await delay(loop.warmUpMs)
  await untilAnswered(loop.warmUpRequests ?? 0)
  const finish = startMeasurement(loop.target.pids, () => answered)
  await delay(loop.measureMs)
  const measured = finish()
  isOver = true
  await new Promise<void>((resolve) => {
    onIdle = resolve
  })
  return { ...measured, answered }
}

function delay(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms))
}
