/** Free ports for a whole fleet, so that suites and a running fleet never meet. */

import { randomInt } from 'node:crypto'
import { createServer } from 'node:net'

/** Below Linux's ephemeral range (32768 and on), whose ports outgoing connections take at random. */
const RANGE = { from: 12_000, to: 32_000 }
const TRIES_MAX = 50

/** The first port of `count` free ones in a row on 127.0.0.1. */
export async function freePortRange(count: number): Promise<number> {
  for (let i = 0; i < TRIES_MAX; i++) {
    const first = randomInt(RANGE.from, RANGE.to - count)
    const free = await Promise.all(Array.from({ length: count }, (_, offset) => isFree(first + offset)))
    if (free.every(Boolean)) return first
  }
  throw new Error(
    `found no ${count} free ports in a row between ${RANGE.from} and ${RANGE.to} in ${TRIES_MAX} tries`,
  )
}

function isFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer()
    server.once('error', () => resolve(false))
    server.listen({ port, host: '127.0.0.1', exclusive: true }, () => server.close(() => resolve(true)))
  })
}
