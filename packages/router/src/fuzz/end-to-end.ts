/**
 * The whole router, over sockets: a client sends damaged streams, and what reaches the cells must be whole requests, each
 * of which the client sent, or one that was cut and whose connection was closed. Afterwards, a good request is answered.
 */
import { connect } from 'node:net'
import { startFakeFleet } from '../testing/fake-fleet.ts'
import { OK, type RawCell, type RawConnection, startRawCell } from '../testing/raw-cell.ts'
import { until } from '../testing/wait.ts'
import { readWithLlhttp } from './llhttp.ts'
import type { Message } from './message.ts'
import { cut } from './mutate.ts'
import { Random } from './random.ts'

export type EndToEnd = Awaited<ReturnType<typeof startEndToEnd>>

const GOOD = 'GET /good HTTP/1.1\r\nhost: router.test\r\nconnection: close\r\n\r\n'
/** More would only be slower: each is a turn of the event loop. */
const PIECES_MAX = 8

export async function startEndToEnd() {
  const fleet = await startFakeFleet({ cells: 2, isPublished: false })
  const cells = await Promise.all([startRawCell(), startRawCell()])
  const base = fleet.buildBase()
  fleet.publishBase({
    cells: base.cells.map((cell, i) => ({ ...cell, endpoints: { http: cells[i]!.url } })),
  })
  fleet.publishOverlay()
  const router = await fleet.startRouter()
  await until('a topology', async () => (await exchange(router.port, [GOOD], false)).includes(' 200 '))

  return {
    /** Returns what does not hold, or an empty text, and how many requests reached the cells. */
    async run(text: string, seed: number): Promise<{ why: string; arrived: number }> {
      const random = new Random(seed)
      for (const cell of cells) prepare(cell, random)
      const pieces = cut(random, Buffer.from(text, 'latin1')).map((piece) => piece.toString('latin1'))
      const few = pieces.length > PIECES_MAX ? [text] : pieces
      await exchange(router.port, few, random.once(4))
      const connections = cells.flatMap((cell) => [...cell.connections])
      await until('the router to finish or to cut what it sent on', () => connections.every(isSettled))
      const sent = readWithLlhttp(Buffer.from(text, 'latin1'), { kind: 'requests' }).messages
      const arrived = connections.map(read)
      let why = arrived.map(({ problem }) => problem).find((problem) => problem !== '') ?? ''
      why ||= unsent(
        arrived.flatMap(({ messages }) => messages),
        sent,
      )
      why ||= fleet.logLines.splice(0).find((line) => line.includes('defect')) ?? ''
      for (const cell of cells) cell.reset()
      const good = await exchange(router.port, [GOOD], false)
      if (!good.startsWith('HTTP/1.1 200 '))
        why ||= `a good request was answered with ${JSON.stringify(good)}`
      return { why, arrived: arrived.flatMap(({ messages }) => messages).length }
    },
    async stop(): Promise<void> {
      await fleet.stop()
      await Promise.all(cells.map((cell) => cell.stop()))
    },
  }
}

function prepare(cell: RawCell, random: Random): void {
  cell.reset()
  cell.answer = (request) => {
    if (request.startsWith('HEAD ')) return 'HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n'
    return random.pick([
      OK,
      'HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n',
      'HTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 204 No Content\r\n\r\n',
    ])
  }
}

/** Sends the pieces, each by itself, and then ends, or breaks off; resolves with what came when the connection is closed. */
async function exchange(port: number, pieces: readonly string[], isBrokenOff: boolean): Promise<string> {
  const socket = connect({ port, host: '127.0.0.1', noDelay: true, allowHalfOpen: true })
  let received = ''
  let isClosed = false
  socket.on('error', () => {})
  socket.on('data', (bytes) => {
    received += bytes.toString('latin1')
  })
  socket.on('end', () => socket.end())
  const closed = new Promise<void>((resolve) => {
    socket.on('close', () => {
      isClosed = true
      resolve()
    })
  })
  for (const piece of pieces) {
    if (isClosed) break
    socket.write(piece, 'latin1')
    await turn()
    await turn()
  }
  if (isBrokenOff) socket.destroySoon()
  else socket.end()
  await closed
  return received
}

/** Nothing more comes on it: all requests are whole, or it was closed. */
function isSettled(connection: RawConnection): boolean {
  return !connection.isOpen || isWhole(connection.received)
}

function isWhole(received: string): boolean {
  const { messages, problem } = readWithLlhttp(Buffer.from(received, 'latin1'), { kind: 'requests' })
  return problem !== '' || (messages.at(-1)?.end ?? 0) === received.length
}

function read({ received, isOpen }: RawConnection): { messages: Message[]; problem: string } {
  const { messages, problem } = readWithLlhttp(Buffer.from(received, 'latin1'), { kind: 'requests' })
  if (problem !== '')
    return { messages, problem: `a cell got what llhttp calls ${problem}: ${JSON.stringify(received)}` }
  const isCut = (messages.at(-1)?.end ?? 0) !== received.length
  return { messages, problem: isCut && isOpen ? 'a cell has half a request on a connection that stands' : '' }
}

/** A request that arrived and was not sent, or that arrived twice. */
function unsent(arrived: readonly Message[], sent: readonly Message[]): string {
  const left = [...sent]
  const ids = new Set<string>()
  for (const message of arrived) {
    const isSame = (other: Message) =>
      other.method === message.method &&
      (message.end < 0 ? other.body.startsWith(message.body) : other.end >= 0 && other.body === message.body)
    const place = left.findIndex(isSame)
    if (place < 0) return `a cell got a request that was not sent: ${JSON.stringify(message)}`
    left.splice(place, 1)
    const id = message.headers.find(([name]) => name === 'x-request-id')?.[1] ?? ''
    // An id of the client's own may well be there twice.
    if (ids.has(id) && /^[0-9a-f]{32}$/.test(id)) return `two requests have the id ${id}`
    ids.add(id)
  }
  return ''
}

const turn = () => new Promise<void>((resolve) => setImmediate(resolve))
