/**
 * The public port. Several processes may listen on it at once (`reusePort`): the kernel spreads connections over them,
 * so that one can die or be replaced.
 *
 * Stopping: no new connections; requests under way go on, and every answer from now on closes its connection; idle
 * connections are kept a moment longer, because a client may be sending on one right now; then what is left is cut.
 */
import { type AddressInfo, createServer, type Server, Socket } from 'node:net'
import { setTimeout as delay, setImmediate as turn } from 'node:timers/promises'
import type { KeyRule } from '@cellplane/contract'
import type { ListenTls, RouterConfig } from '../config.ts'
import { FORWARDING_HEADERS, RequestScan } from '../http/request-scan.ts'
import type { ClientTls } from '../tls/client-tls.ts'
import type { TlsListener } from '../tls/tls-listener.ts'
import { createBaseWaits } from './base-waits.ts'
import { ClientConnection, type OpenSocket } from './client-connection.ts'
import { startDeadlines } from './deadlines.ts'
import type { Client, ServeDeps } from './deps.ts'
import { createHolds, type HoldCounts } from './holds.ts'
import type { Reads } from './read-buffer.ts'
import { createWaitingRoom } from './waiting-room.ts'

export type PublicServer = {
  /** Of plain text, or of TLS when there is nothing else. */
  readonly port: number
  /** Null without TLS. */
  readonly tls: TlsListener | null
  readonly holds: HoldCounts
  /** To be called after the topology has changed: streams at cells that leave are told to go, held requests go on. */
  onTopology(): void
  stop(): Promise<void>
}

export type PublicServerOptions = Omit<
  ServeDeps,
  'baseWaits' | 'deadlines' | 'holds' | 'isStopping' | 'scan' | 'onDefect' | 'onClientClosed'
> & {
  listen: RouterConfig['listen']
  /** How often the files of TLS are looked at. */
  filesPollMs: number
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
  const clients = new Set<Client>()
  const onDefect = (error: Error) =>
    log.error('a request could not be handled; this is a defect of the router', {
      why: error.stack ?? error.message,
    })
  const deadlines = startDeadlines(onDefect)
  const waiting = { limits, room: createWaitingRoom(limits), deadlines, currentView: options.currentView }
  const holds = createHolds(waiting)
  const baseWaits = createBaseWaits(waiting)
  const deps: ServeDeps = {
    ...options,
    deadlines,
    holds,
    baseWaits,
    isStopping: false,
    scan: scanOf(options),
    onDefect,
    onClientClosed: (client) => clients.delete(client),
  }
  const isFull = () => clients.size >= limits.connections_max
  const welcome = (open: OpenSocket, tls: ClientTls | null, address?: string): void => {
    clients.add(new ClientConnection(deps, open, tls, address))
  }

  /** What TLS and HTTP/2 need is loaded here: 5 MB that a router behind something else's TLS has no use for. */
  async function listenSecure(settings: ListenTls): Promise<TlsListener> {
    const [{ startTlsListener }, { ClientTls }, { Http2Connection }] = await Promise.all([
      import('../tls/tls-listener.ts'),
      import('../tls/client-tls.ts'),
      import('../http2/http2-connection.ts'),
    ])
    return startTlsListener({
      settings,
      listenOn: (server) => listenOn(server, { host: listen.host, port: settings.port ?? listen.port }),
      isFull,
      onSecure(socket, { certificateOf, counters }) {
        const tls = new ClientTls(socket, certificateOf)
        if (socket.alpnProtocol === 'h2') {
          clients.add(new Http2Connection(deps, socket, tls, settings, counters))
        } else {
          welcome((reads) => readingByItself(socket, reads), tls)
        }
      },
      pollMs: options.filesPollMs,
      log,
    })
  }

  async function listenPlain(): Promise<Server> {
    const server = createServer({ allowHalfOpen: true, noDelay: true }, (socket) => {
      if (isFull()) return socket.destroy()
      welcome((reads) => readingByItself(socket, reads), null)
    })
    await listenOn(server, listen)
    const onAcceptError = (why: string) => log.error('a connection could not be accepted', { why })
    // Such as too many open files: one connection could not be accepted, the others go on.
    server.on('error', (error) => onAcceptError(error.message))
    if (reads === 'shared') {
      acceptHandles(server, onAcceptError, (handle) => {
        if (isFull()) return handle.close()
        welcome(
          (reads) => {
            const options = { handle, allowHalfOpen: true, onread: reads.options }
            return new Socket(options as unknown as SocketOptions)
          },
          null,
          addressOf(handle),
        )
      })
    }
    return server
  }

  let tls: TlsListener | null = null
  let plain: Server | null = null
  try {
    if (listen.tls) tls = await listenSecure(listen.tls)
    if (listen.tls?.port !== undefined || !tls) plain = await listenPlain()
  } catch (error) {
    tls?.close()
    await tls?.stop()
    deadlines.stop()
    throw error
  }

  return {
    port: plain ? (plain.address() as AddressInfo).port : tls!.port,
    tls,
    holds,
    onTopology() {
      holds.onTopology()
      baseWaits.onTopology()
      for (const client of clients) client.leaveLeavingCell()
    },
    async stop() {
      deps.isStopping = true
      holds.stop()
      baseWaits.stop()
      // A connection that stands in the kernel and was not accepted is reset when its port is closed. Right after the loop
      // has looked at its sockets there are fewest of them.
      await turn()
      tls?.close()
      if (plain) await closeServer(plain)
      const startedAt = performance.now()
      const isOver = (ms: number) => performance.now() - startedAt >= ms
      for (const client of clients) client.askToLeave()
      while (clients.size > 0 && !isOver(limits.stop_timeout_ms)) {
        if (isOver(IDLE_GRACE_MS)) for (const client of clients) if (client.isIdle) client.destroy()
        await delay(STOP_CHECK_MS)
      }
      for (const client of clients) client.destroy()
      await tls?.stop()
      cells.close()
      deadlines.stop()
    },
  }
}

function readingByItself<S extends Socket>(socket: S, reads: Reads): S {
  socket.on('data', (bytes: Buffer) => reads.receive(bytes, bytes.length, true))
  return socket
}

async function listenOn(server: Server, { host, port }: { host: string; port: number }): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    server.listen({ host, port, reusePort: true, backlog: BACKLOG }, () => {
      server.off('error', reject)
      resolve()
    })
  })
}

/** The scan that knows by which headers the router decides; a new one when the base, with its key rules, is another one. */
function scanOf({ currentView, clientHeaders }: PublicServerOptions): () => RequestScan {
  const trusted = clientHeaders.forwarded === 'append' ? FORWARDING_HEADERS : []
  let scan = new RequestScan(trusted)
  let rules: readonly KeyRule[] | undefined
  return () => {
    const current = currentView()?.snapshot.base.partition_key
    if (current && current !== rules) {
      rules = current
      scan = new RequestScan([...trusted, ...current.flatMap(headerOf)])
    }
    return scan
  }
}

function headerOf(rule: KeyRule): string[] {
  if (rule.from === 'header') return [rule.name]
  return rule.from === 'cookie' ? ['cookie'] : []
}

type Handle = { close(): void; getpeername?(into: { address?: string }): number }
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

/** The client's address without a socket's detour, which makes an object for each; undefined when it has left already. */
function addressOf(handle: Handle): string | undefined {
  peer.address = ''
  return handle.getpeername?.(peer) === 0 ? peer.address : undefined
}

const peer = { address: '' }

/** Stops listening. Connections that were accepted are not the server's. */
function closeServer(server: Server): Promise<void> {
  return new Promise((resolve) => {
    server.close(() => resolve())
    // Where sockets are Node's, it would wait for the last of them.
    setImmediate(resolve)
  })
}
