/**
 * The public port. Several processes may listen on it at once (`reusePort`): the kernel spreads connections over them,
 * so that one can die or be replaced.
 *
 * Stopping: no new connections; requests under way go on, and every answer from now on closes its connection; idle
 * connections are kept a moment longer, because a client may be sending on one right now; then what is left is cut.
 */
import { createServer, type Server } from 'node:http'
import { type AddressInfo, Server as NetServer } from 'node:net'
import { setTimeout as delay } from 'node:timers/promises'
import { handleRequest, type ServeDeps } from './handle-request.ts'
import { handleUpgrade } from './upgrade.ts'

export type PublicServer = {
  readonly port: number
  stop(): Promise<void>
}

/** Clients that use a connection steadily use it within this, and are told to leave it by the answer. */
const IDLE_GRACE_MS = 1_000

const IDLE_SWEEP_MS = 50

/** Node closes idle client connections after 5 s, which races with clients and proxies that keep them for longer. */
const KEEP_ALIVE_MS = 65_000

/** A client that has not sent its headers by then is not going to. */
const HEADERS_TIMEOUT_MS = 30_000

export async function startPublicServer(
  deps: ServeDeps,
  listen: { host: string; port: number },
): Promise<PublicServer> {
  const stopping = new AbortController()
  const server = createServer({
    // Other upgrades (such as HTTP/2 without TLS, which some clients offer by habit) are ignored, as RFC 9110 allows.
    shouldUpgradeCallback: ({ headers }) => headers.upgrade?.toLowerCase() === 'websocket',
    maxHeaderSize: deps.limits.header_bytes_max,
    keepAliveTimeout: KEEP_ALIVE_MS,
    headersTimeout: HEADERS_TIMEOUT_MS,
    // Bodies may stream for as long as they move; the exchange watches that they do.
    requestTimeout: 0,
  })
  server.on('request', (request, response) => {
    if (stopping.signal.aborted) response.shouldKeepAlive = false
    void handleRequest(deps, request, response)
  })
  server.on('upgrade', (request, socket, firstBytes) => {
    if (stopping.signal.aborted) socket.destroy()
    else void handleUpgrade(deps, request, socket, firstBytes, stopping.signal)
  })
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    server.listen({ ...listen, reusePort: true }, () => {
      server.off('error', reject)
      resolve()
    })
  })
  // Such as too many open files: one connection could not be accepted, the others go on.
  server.on('error', (error) => deps.log.error('a connection could not be accepted', { why: error.message }))

  return {
    port: (server.address() as AddressInfo).port,
    async stop() {
      stopping.abort()
      const closed = stopAccepting(server)
      const deadline = delay(deps.limits.stop_timeout_ms, undefined, { ref: false })
      await Promise.race([closed, delay(IDLE_GRACE_MS), deadline])
      // Again and again: an answer that began before the stop leaves its connection open when it ends.
      const sweep = setInterval(() => server.closeIdleConnections(), IDLE_SWEEP_MS)
      await Promise.race([closed, deadline])
      clearInterval(sweep)
      server.closeAllConnections()
      await closed
    },
  }
}

/** Stops listening and resolves when the last connection is closed. Node's own `close` of an HTTP server would close idle connections at once. */
function stopAccepting(server: Server): Promise<void> {
  return new Promise((resolve) => {
    NetServer.prototype.close.call(server, () => resolve())
  })
}
