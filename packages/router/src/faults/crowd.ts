/**
 * Many callers for little work: requests of one tenant each, pipelined over a few connections, and a cell that only
 * counts. What is under way is bounded by the windows of the connections.
 */
import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Socket } from 'node:net'
import { whole } from './faulty-cell.ts'

const CONNECTIONS = 16
const WINDOW = 32

const CROWD_LINE = 'GET /crowd HTTP/1.1'
const END = '\r\n\r\n'
const OK = 'HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok'
const ANSWER = /HTTP\/1\.1 (\d{3}) /g
/** So much of an answer's first line may be in the next packet. */
const FIRST_LINE_BYTES = 'HTTP/1.1 200 '.length

/** A cell for requests without bodies: quick for the crowd, and an echo for everybody else. */
export async function startCountingCell(): Promise<{ url: string; stop(): Promise<void> }> {
  const sockets = new Set<Socket>()
  const server = createServer({ noDelay: true }, (socket) => {
    sockets.add(socket)
    let rest = ''
    socket.on('error', () => {}).on('close', () => sockets.delete(socket))
    socket.on('data', (bytes) => {
      const parts = (rest + bytes.toString('latin1')).split(END)
      rest = parts.pop()!
      socket.write(
        parts.map((request) => (request.startsWith(CROWD_LINE) ? OK : whole(request + END))).join(''),
      )
    })
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    async stop() {
      for (const socket of sockets) socket.destroy()
      server.close()
      await once(server, 'close')
    },
  }
}

/** One request of each of `count` tenants. Resolves with the number of answers by status. */
export async function sendCrowd(port: number, count: number): Promise<Record<string, number>> {
  const statuses: Record<string, number> = {}
  let sent = 0
  async function client(): Promise<void> {
    const socket = connect(port, '127.0.0.1')
    let underWay = 0
    let rest = ''
    while (sent < count || underWay > 0) {
      const batch = Math.min(WINDOW - underWay, count - sent)
      const requests = Array.from(
        { length: batch },
        () => `${CROWD_LINE}\r\nhost: a\r\nx-tenant: crowd-${sent++}${END}`,
      )
      underWay += batch
      if (batch > 0) socket.write(requests.join(''))
      const [bytes] = (await once(socket, 'data')) as [Buffer]
      const text = rest + bytes.toString('latin1')
      let read = 0
      for (const { 1: status, index, 0: line } of text.matchAll(ANSWER)) {
        statuses[status!] = (statuses[status!] ?? 0) + 1
        underWay--
        read = index + line.length
      }
      rest = text.slice(Math.max(read, text.length - FIRST_LINE_BYTES))
    }
    socket.destroy()
  }
  await Promise.all(Array.from({ length: CONNECTIONS }, client))
  return statuses
}
