/** A cell for tests: a real HTTP server that says who it is and what it was sent, and can be killed and brought back. */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'

export type SeenRequest = {
  method: string
  path: string
  headers: IncomingMessage['headers']
  rawHeaders: string[]
  body: string
}

export type FakeCell = {
  readonly id: string
  readonly slot: number
  readonly url: string
  /** Whole requests, oldest first. */
  readonly seen: SeenRequest[]
  /** Requests whose head arrived, whether or not they were answered. */
  arrivals: number
  /** Answers a whole request; by default with 200 and what was seen, as JSON. */
  answer(seen: SeenRequest, response: ServerResponse): void
  /** Called as soon as a head arrived; true when the request was dealt with there. */
  intercept(request: IncomingMessage, response: ServerResponse): boolean
  readonly server: Server
  /** Closes the port and every connection. */
  kill(): Promise<void>
  /** Listens on the same port again. */
  revive(): Promise<void>
}

export async function startFakeCell(id: string, slot: number): Promise<FakeCell> {
  let port = 0
  const server = createServer((request, response) => {
    cell.arrivals++
    if (cell.intercept(request, response)) return
    const chunks: Buffer[] = []
    request.on('data', (chunk: Buffer) => chunks.push(chunk))
    request.on('end', () => {
      const seen = {
        method: request.method!,
        path: request.url!,
        headers: request.headers,
        rawHeaders: request.rawHeaders,
        body: Buffer.concat(chunks).toString('utf8'),
      }
      cell.seen.push(seen)
      cell.answer(seen, response)
    })
  })
  const listen = () =>
    new Promise<void>((resolve, reject) => {
      server.once('error', reject)
      server.listen(port, '127.0.0.1', () => {
        port = (server.address() as AddressInfo).port
        resolve()
      })
    })
  await listen()
  const cell: FakeCell = {
    id,
    slot,
    get url() {
      return `http://127.0.0.1:${port}`
    },
    seen: [],
    arrivals: 0,
    answer(seen, response) {
      response.writeHead(200, { 'content-type': 'application/json', 'cellplane-secret': 'leaked' })
      response.end(JSON.stringify({ cell: id, ...seen }))
    },
    intercept: () => false,
    server,
    async kill() {
      if (!server.listening) return
      const closed = new Promise<void>((resolve) => server.close(() => resolve()))
      server.closeAllConnections()
      await closed
    },
    revive: listen,
  }
  return cell
}
