/**
 * The TLS port: takes connections, shakes hands within a time limit and a bound on how many do so at once, and hands
 * over what came through. A handshake costs a processor a hundred times what a request does, so this is where a flood
 * would hurt most.
 *
 * Certificates are those of the moment of the handshake; connections that stand keep theirs. Session tickets are on:
 * their keys are this process's, made anew with each reload.
 */
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net'
import { createServer as createTlsServer, type TLSSocket } from 'node:tls'
import type { ListenTls } from '../config.ts'
import type { Logger } from '../log.ts'
import type { ReloadedFiles } from './reloaded-files.ts'
import { type ServerCertificates, startServerCertificates } from './server-certificates.ts'
import { compileServerNames, type ServerNames } from './server-names.ts'

/** Counters since the process started. */
export type TlsCounters = {
  /** Handshakes that failed or took too long. */
  failed: number
  /** Connections closed because as many handshakes as may be were under way. */
  refused: number
  /** Clients told to go because they reset too many HTTP/2 streams. */
  resetFloods: number
}

export type TlsListener = {
  readonly port: number
  readonly settings: ListenTls
  readonly counters: TlsCounters
  /** Which certificate a name is served with. */
  readonly certificateOf: ServerNames
  readonly certificates: ReloadedFiles<ServerCertificates>
  /** Handshakes under way. */
  readonly handshakes: number
  /** Takes no more connections. */
  close(): void
  /** Cuts what is left. */
  stop(): Promise<void>
}

export type TlsListenerOptions = {
  settings: ListenTls
  listenOn(server: Server): Promise<void>
  /** No more clients are taken. */
  isFull(): boolean
  onSecure(socket: TLSSocket, listener: TlsListener): void
  pollMs: number
  log: Logger
}

/** Rejects when a file cannot be used or the port is taken. */
export async function startTlsListener(options: TlsListenerOptions): Promise<TlsListener> {
  const { settings, listenOn, isFull, onSecure, pollMs, log } = options
  const counters: TlsCounters = { failed: 0, refused: 0, resetFloods: 0 }
  const certificateOf = compileServerNames([
    [],
    ...settings.certificates.map(({ server_names }) => server_names),
  ])
  const certificates = await startServerCertificates(
    settings,
    (renewed) => secure.setSecureContext(renewed.options),
    pollMs,
    log,
  )
  const secure = createTlsServer({
    ...certificates.current.options,
    SNICallback: (name, done) => done(null, certificates.current.contexts[certificateOf(name.toLowerCase())]),
    ALPNProtocols: settings.http2 ? ['h2', 'http/1.1'] : ['http/1.1'],
    handshakeTimeout: settings.handshake_timeout_ms,
  })
  /** Connections with a handshake behind them or under way, and those with one behind them. */
  const open = new Set<Socket>()
  const secured = new Set<TLSSocket>()
  secure.on('secureConnection', (socket) => {
    secured.add(socket)
    socket.on('close', () => secured.delete(socket))
    onSecure(socket, listener)
  })
  secure.on('tlsClientError', (_error, socket) => {
    counters.failed++
    socket.destroy()
  })

  const server = createServer({ allowHalfOpen: true, noDelay: true }, (socket) => {
    if (isFull()) return socket.destroy()
    if (open.size - secured.size >= settings.handshakes_max) {
      counters.refused++
      return socket.destroy()
    }
    open.add(socket)
    socket.on('close', () => open.delete(socket))
    // The TLS socket hears of it as well, and says the rest.
    socket.on('error', () => {})
    secure.emit('connection', socket)
  })
  try {
    await listenOn(server)
  } catch (error) {
    await certificates.stop()
    throw error
  }
  // Such as too many open files: one connection could not be accepted, the others go on.
  server.on('error', ({ message }) => log.error('a connection could not be accepted', { why: message }))

  const listener: TlsListener = {
    port: (server.address() as AddressInfo).port,
    settings,
    counters,
    certificateOf,
    certificates,
    get handshakes() {
      return open.size - secured.size
    },
    close() {
      server.close()
    },
    async stop() {
      for (const socket of open) socket.destroy()
      await certificates.stop()
    },
  }
  return listener
}
