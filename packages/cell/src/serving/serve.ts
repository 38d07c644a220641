/**
 * Listening, and stopping without a failed request.
 *
 *   serving ──SIGTERM──▶ lame duck ──▶ draining ──▶ stopped
 *
 * Lame duck: health says `stopping` and every answer closes its connection, while requests are still taken. Routers let go
 * of their pooled connections here; closed at once, a connection could die with a request just written into it.
 * Draining: nothing new is accepted, idle connections are closed, what is in flight may finish. Both are bounded; what is
 * left after that is cut.
 */
import type { Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { pause } from './pause.ts'

export type ServeOptions = {
  host: string
  port: number
  /** Aborting it is the order to stop. */
  stop: AbortSignal
  /** How long requests are still taken after that. Left out: 500 ms. */
  lameDuckMs?: number | undefined
  /** How long requests in flight may take to finish. Left out: 8 s, within an agent's default of 10 s from SIGTERM to SIGKILL. */
  drainTimeoutMs?: number | undefined
}

export type Serving = {
  url: string
  port: number
  /** Resolves when the server is closed and no request is in flight; the service closes its stores after it. */
  stopped: Promise<void>
}

const LAME_DUCK_MS = 500
const DRAIN_TIMEOUT_MS = 8000

/** Resolves when the server listens. Throws when the port cannot be had. */
export async function serve(server: Server, options: ServeOptions): Promise<Serving> {
  const { host, stop } = options
  server.prependListener('request', (_request, response) => {
    if (stop.aborted) response.setHeader('connection', 'close')
  })
  await new Promise<void>((resolve, reject) => {
    server.once('error', (cause) =>
      reject(new Error(`cannot listen on ${host}:${options.port}: ${cause.message}`, { cause })),
    )
    server.listen({ host, port: options.port }, resolve)
  })
  const { port } = server.address() as AddressInfo
  return { port, url: `http://${host}:${port}`, stopped: drainWhenToldTo(server, options) }
}

async function drainWhenToldTo(server: Server, options: ServeOptions): Promise<void> {
  await aborted(options.stop)
  await pause(options.lameDuckMs ?? LAME_DUCK_MS)
  const closed = new Promise<void>((resolve) => server.close(() => resolve()))
  const cut = setTimeout(() => server.closeAllConnections(), options.drainTimeoutMs ?? DRAIN_TIMEOUT_MS)
  await closed
  clearTimeout(cut)
}

function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve()
    else signal.addEventListener('abort', () => resolve(), { once: true })
  })
}
