/**
 * What stands where the control plane would: it serves any bytes as a document, signed or not, and takes reports. Each
 * document has an entity tag of its own, so that routers look at it once.
 */
import { createHash } from 'node:crypto'
import { createServer } from 'node:http'

export type Kind = 'base' | 'overlay'

export type Publisher = {
  serve(kind: Kind, bytes: string | Uint8Array): void
  stop(): Promise<void>
}

export async function startPublisher(port: number, first: Record<Kind, string>): Promise<Publisher> {
  const served: Record<Kind, string | Uint8Array> = { ...first }
  const server = createServer((request, response) => {
    const kind = /^\/v1\/topology\/(base|overlay)$/.exec(request.url ?? '')?.[1] as Kind | undefined
    if (!kind) {
      request.resume().on('end', () => response.writeHead(404).end())
      return
    }
    const bytes = served[kind]
    const etag = `"${createHash('sha256').update(bytes).digest('hex')}"`
    if (request.headers['if-none-match'] === etag) return response.writeHead(304).end()
    response.writeHead(200, { etag, 'content-type': 'application/json' }).end(bytes)
  })
  // A router stops reading what is too large: that is its right.
  server.on('clientError', (_error, socket) => socket.destroy())
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    server.listen(port, '127.0.0.1', () => resolve())
  })
  return {
    serve(kind, bytes) {
      served[kind] = bytes
    },
    async stop() {
      const closed = new Promise<void>((resolve) => server.close(() => resolve()))
      server.closeAllConnections()
      await closed
    },
  }
}
