/**
 * A control plane gone mad, on the port of the one that was there: it answers every request with what a test made up,
 * for as long as the connection stands. Nothing but TCP, so that it can send what no HTTP server would.
 */
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { createServer, type Socket } from 'node:net'

/** Called with each connection on which a request has begun. */
export type Madness = (socket: Socket) => void

export type HostileControlPlane = {
  /** Connections on which something was asked. */
  readonly asked: number
  readonly open: number
  /** As many as were open at once. */
  readonly openMax: number
  stop(): Promise<void>
}

const PIECE = randomBytes(64 * 1024)
const LARGE_LENGTH = 10 * 1024 ** 3

const headOf = (...lines: string[]) => `HTTP/1.1 200 OK\r\n${lines.map((line) => `${line}\r\n`).join('')}\r\n`

/** As fast as the other side takes it. */
function pour(socket: Socket, piece: Uint8Array | string): void {
  const more = () => {
    while (!socket.destroyed && socket.write(piece));
  }
  socket.on('drain', more)
  more()
}

/** One byte a second. */
function trickle(socket: Socket, byte: string): void {
  const timer = setInterval(() => socket.write(byte), 1_000)
  socket.on('close', () => clearInterval(timer))
}

export const MADNESS = {
  silent: () => {},
  trickling(socket) {
    socket.write(headOf('content-type: application/json', 'content-length: 100000'))
    trickle(socket, ' ')
  },
  random: (socket) => void socket.end(PIECE),
  endless(socket) {
    socket.write(headOf('content-type: application/json'))
    pour(socket, PIECE)
  },
  /** A stream of events, each of which says that there is something new. */
  frantic(socket) {
    socket.write(headOf('content-type: text/event-stream'))
    pour(socket, 'event: base\ndata: {"epoch":1,"version":1}\n\n'.repeat(1_000))
  },
  redirecting: (socket) =>
    void socket.end('HTTP/1.1 302 Found\r\nlocation: /v1/topology/base\r\ncontent-length: 0\r\n\r\n'),
  huge(socket) {
    socket.write(headOf('content-type: application/json', `content-length: ${LARGE_LENGTH}`))
    pour(socket, PIECE)
  },
} satisfies Record<string, Madness>

export async function startHostileControlPlane(port: number, madness: Madness): Promise<HostileControlPlane> {
  const sockets = new Set<Socket>()
  let asked = 0
  let openMax = 0
  const server = createServer((socket) => {
    sockets.add(socket)
    openMax = Math.max(openMax, sockets.size)
    // The router gives up on it: that is what is tested, not an error.
    socket.on('error', () => {})
    socket.on('close', () => sockets.delete(socket))
    socket.once('data', () => {
      asked++
      socket.resume()
      madness(socket)
    })
  })
  server.listen(port, '127.0.0.1')
  await once(server, 'listening')
  return {
    get asked() {
      return asked
    },
    get open() {
      return sockets.size
    },
    get openMax() {
      return openMax
    },
    async stop() {
      const closed = once(server, 'close')
      server.close()
      for (const socket of sockets) socket.destroy()
      await closed
    },
  }
}
