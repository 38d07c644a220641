/** A control plane for tests: serves signed documents with ETags, pushes events, takes reports; and misbehaves on demand. */
import { createHash, generateKeyPairSync } from 'node:crypto'
import { createServer, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import {
  keyIdOf,
  type RouterReport,
  signDocument,
  type UnsignedTopologyBase,
  type UnsignedTopologyOverlay,
} from '@cellplane/contract'

export type FakeControlPlane = Awaited<ReturnType<typeof startFakeControlPlane>>

export const ROUTER_TOKEN = 'router-token-of-the-tests'

export async function startFakeControlPlane() {
  const { privateKey, publicKey } = generateKeyPairSync('ed25519')
  const sign = <T extends UnsignedTopologyBase | UnsignedTopologyOverlay>(document: T): string =>
    JSON.stringify(signDocument(document, keyIdOf(privateKey), privateKey))
  const served: Record<'base' | 'overlay', string | null> = { base: null, overlay: null }
  const reports: RouterReport[] = []
  const reporting: { answer(report: RouterReport): string | null } = { answer: () => null }
  const subscribers = new Set<ServerResponse>()
  const fetches = { base: 0, overlay: 0 }
  let port = 0

  const server = createServer((request, response) => {
    if (request.headers.authorization !== `Bearer ${ROUTER_TOKEN}`) return response.writeHead(401).end()
    const path = request.url!
    if (path === '/v1/topology/events') {
      response.writeHead(200, { 'content-type': 'text/event-stream' })
      response.write(': hello\n\n')
      subscribers.add(response)
      response.on('close', () => subscribers.delete(response))
      return
    }
    if (path === '/v1/reports/router') {
      let text = ''
      request.setEncoding('utf8').on('data', (chunk: string) => {
        text += chunk
      })
      request.on('end', () => {
        const report: RouterReport = JSON.parse(text)
        reports.push(report)
        const answer = reporting.answer(report)
        if (answer === null) response.writeHead(204).end()
        else response.writeHead(200, { 'content-type': 'application/json' }).end(answer)
      })
      return
    }
    const kind = path === '/v1/topology/base' ? 'base' : 'overlay'
    fetches[kind]++
    const text = served[kind]
    if (text === null) return response.writeHead(404).end()
    const etag = `"${createHash('sha256').update(text).digest('hex')}"`
    if (request.headers['if-none-match'] === etag) return response.writeHead(304).end()
    response.writeHead(200, { etag, 'content-type': 'application/json' }).end(text)
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

  return {
    get url() {
      return `http://127.0.0.1:${port}`
    },
    jwks: { keys: [publicKey.export({ format: 'jwk' })] },
    sign,
    reports,
    /** `answer`: what a report is answered with, as text; null for 204. */
    reporting,
    fetches,
    get subscriberCount() {
      return subscribers.size
    },
    /** Serves any text from now on, and pushes. */
    serve(kind: 'base' | 'overlay', text: string): void {
      served[kind] = text
      for (const subscriber of subscribers) {
        subscriber.write(`event: ${kind}\ndata: {"epoch":1,"version":1}\n\n`)
      }
    },
    /** Ends the process’s half of every connection and refuses new ones. */
    async stop(): Promise<void> {
      if (!server.listening) return
      const closed = new Promise<void>((resolve) => server.close(() => resolve()))
      server.closeAllConnections()
      await closed
    },
    start: listen,
  }
}
