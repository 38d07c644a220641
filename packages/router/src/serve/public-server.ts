/**
 * The public port. Several processes may listen on it at once (`reusePort`): the kernel spreads connections over them,
 * so that one can die or be replaced.
 *
 * Stopping: no new connections; requests under way go on, and every answer from now on closes its connection; idle
 * connections are kept a moment longer, because a client may be sending on one right now; then what is left is cut.
 */
import { type AddressInfo, createServer, type Server, Socket } from 'node:net'
import { setTimeout as delay } from 'node:timers/promises'
import { RequestScan } from '../http/request-scan.ts'
import { ClientConnection, type OpenSocket } from './client-connection.ts'
import { startDeadlines } from './deadlines.ts'
import type { ServeDeps } from './deps.ts'
import { onread, receiveData } from './read-buffer.ts'

export type PublicServer = {
  readonly port: number
  /** To be called after the topology has changed: streams at cells that leave are told to go. */
  onTopology(): void
  stop(): Promise<void>
}

export type PublicServerOptions = Omit<
  ServeDeps,
  'deadlines' | 'isStopping' | 'scan' | 'onDefect' | 'onClientClosed'
> & {
  listen: { host: string; port: number }
  /** `own`: each read into a buffer of its own, as when Node cannot be given one. */
  reads?: 'shared' | 'own'
}

/** Clients that use a connection steadily use it within this, and are told to leave it by the answer. */
const IDLE_GRACE_MS = 1_000
const STOP_CHECK_MS = 20

/** As many connections as may wait to be accepted while the process is busy. */
const BACKLOG = 1_024

export async function startPublicServer(options: PublicServerOptions): Promise<PublicServer> {
  const { cells, limits, log, listen, reads = 'shared' } = options
  const clients = new Set<ClientConnection>()
  const deadlines = startDeadlines((now) => cells.sweep(now))
  const deps: ServeDeps = {
    ...options,
    deadlines,
    isStopping: false,
    scan: scanOf(options),
    onDefect: (error) =>
      log.error('a request could not be handled; this is a defect of the router', {
        why: error.stack ?? error.message,
      }),
    onClientClosed: (client) => clients.delete(client),
  }
  const welcome = (open: OpenSocket): void => {
    clients.add(new ClientConnection(deps, open, false))
  }
  const server = createServer({ allowHalfOpen: true, noDelay: true }, (socket) => {
    if (clients.size >= limits.connections_max) return socket.destroy()
    welcome((receive) => {
      receiveData(socket, receive)
      return socket
    })
  })
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    server.listen({ ...listen, reusePort: true, backlog: BACKLOG }, () => {
      server.off('error', reject)
      resolve()
    })
  })
  const onAcceptError = (why: string) => log.error('a connection could not be accepted', { why })
  // Such as too many open files: one connection could not be accepted, the others go on.
  server.on('error', (error) => onAcceptError(error.message))
  if (reads === 'shared') {
    acceptHandles(server, onAcceptError, (handle) => {
      if (clients.size >= limits.connections_max) return handle.close()
      welcome((receive) => {
        const socket = new Socket({
          handle,
          allowHalfOpen: true,
          onread: onread(receive),
        } as unknown as SocketOptions)
        return socket.setNoDelay(true)
      })
    })
  }

  return {
    port: (server.address() as AddressInfo).port,
    onTopology() {
      for (const client of clients) client.leaveLeavingCell()
    },
    async stop() {
      deps.isStopping = true
      await closeServer(server)
      const startedAt = performance.now()
      const isOver = (ms: number) => performance.now() - startedAt >= ms
      for (const client of clients) client.askToLeave()
      while (clients.size > 0 && !isOver(limits.stop_timeout_ms)) {
        if (isOver(IDLE_GRACE_MS)) for (const client of clients) if (client.isIdle) client.destroy()
        await delay(STOP_CHECK_MS)
      }
      for (const client of clients) client.destroy()
      cells.close()
      deadlines.stop()
    },
  }
}

/** The scan that knows the headers of the current partition key rules; a new one when the base is another one. */
function scanOf({ currentView }: PublicServerOptions): () => RequestScan {
  let scan = new RequestScan()
  let rules: unknown
  return () => {
    const current = currentView()?.snapshot.base.partition_key
    if (current && current !== rules) {
      rules = current
      scan = new RequestScan(current.flatMap((rule) => (rule.from === 'header' ? [rule.name] : [])))
    }
    return scan
  }
}

type Handle = { close(): void }
type SocketOptions = ConstructorParameters<typeof Socket>[0]
type ListeningServer = Server & {
  _handle?: { onconnection?: (status: number, handle: Handle | undefined) => void }
}

/**
 * Accepts before Node makes a socket, so that it can be made with the shared read buffer, which saves a third of a
 * request's cost in Node. Node documents `onread` for connecting sockets only, and for accepting ones has no way to say
 * it but this. Where it is not there, sockets are as Node makes them.
 */
function acceptHandles(
  server: Server,
  onError: (why: string) => void,
  accept: (handle: Handle) => void,
): void {
  const listening = (server as ListeningServer)._handle
  if (typeof listening?.onconnection !== 'function') return
  listening.onconnection = (status, handle) => {
    if (status !== 0 || !handle) onError(`accept failed with status ${status}`)
    else accept(handle)
  }
}

/** Stops listening. Connections that were accepted are not the server's. */
function closeServer(server: Server): Promise<void> {
  return new Promise((resolve) => {
    server.close(() => resolve())
    // Where sockets are Node's, it would wait for the last of them.
    setImmediate(resolve)
  })
}
