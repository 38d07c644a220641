/** Clients that connect, send one request each, read its answer, and then stay and say nothing. */
import type { Socket } from 'node:net'
import { createAnswerReader } from './answer-reader.ts'
import type { RequestSource } from './requests.ts'
import { connectTo, type Target } from './target.ts'

export type IdleClients = { target: Target; count: number }

/** Connections that are being made at once: fewer than the proxies' listen backlogs. */
const CONNECTING_MAX = 64

export type HeldClients = { readonly answered: number; close(): Promise<void> }

/** Resolves when all have had their answer. */
export async function openIdleClients(
  { target, count }: IdleClients,
  source: RequestSource,
): Promise<HeldClients> {
  const sockets: Socket[] = []
  let isOver = false
  let answered = 0

  function openOne(): Promise<void> {
    return new Promise((resolve) => {
      const reader = createAnswerReader()
      const tenant = source.nextTenant()
      const socket = connectTo(
        target,
        (ready) => ready.write(source.texts[tenant]!, 'latin1'),
        (bytes, buffer) => {
          const cell = reader.take(bytes, buffer)
          if (cell < 0) return
          source.check(tenant, cell)
          answered++
          resolve()
        },
      )
      socket.once('close', () => {
        if (!isOver) throw new Error('the proxy closed the connection of an idle client')
      })
      sockets.push(socket)
    })
  }

  let left = count
  const worker = async () => {
    while (left-- > 0) await openOne()
  }
  await Promise.all(Array.from({ length: Math.min(CONNECTING_MAX, count) }, worker))
  return {
    answered,
    async close() {
      isOver = true
      await Promise.all(
        sockets.map((socket) => {
          const closed = new Promise((resolve) => socket.once('close', resolve))
          socket.destroy()
          return closed
        }),
      )
    },
  }
}
