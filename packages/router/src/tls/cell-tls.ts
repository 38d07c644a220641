/**
 * TLS to cells: each is verified against the configured CA, or else those that Node trusts, and is shown this router's
 * own certificate. A cell that cannot be verified is one that cannot be connected to; nothing is ever sent in plain text
 * instead.
 *
 * Sessions are kept by address, so that a new connection to a known cell costs no signature. They are forgotten with a
 * reload: a session would carry on what the old files allowed.
 */
import { isIP } from 'node:net'
import type { SecureContext, TLSSocket } from 'node:tls'
import type { Addresses } from '../cells/addresses.ts'
import type { CellOrigin } from '../cells/cell-pool.ts'
import type { CellsTls } from '../config.ts'
import type { Logger } from '../log.ts'
import { type CheckedCertificate, checkCertificate, checkIsCertificate } from './certificate.ts'
import { contextOptions, MODERN_CIPHERS } from './modern.ts'
import { type NamedFile, type ReloadedFiles, startReloadedFiles } from './reloaded-files.ts'

export type CellTls = {
  /** Null when nothing of it is read from files. */
  readonly files: ReloadedFiles<CellTlsFiles> | null
  /** Begins a connection. 'secureConnect' says that the cell was verified; an error before that, that it was not. */
  connect(origin: CellOrigin): TLSSocket
  stop(): Promise<void>
}

export type CellTlsFiles = {
  readonly context: SecureContext
  /** The router's own certificate; null when cells ask for none. */
  readonly certificate: CheckedCertificate | null
}

/** As many addresses as a fleet has cells, and then some; the one longest known goes first. */
const SESSIONS_MAX = 1_024

/** Failed connections tell the log why, but not each of thousands the same. */
const FAILURES_LOGGED_EVERY_MS = 1_000

const MIN_VERSION = 'TLSv1.2'

/** Loaded by the first cell that speaks TLS: 2.5 MB, and most fleets have none. */
const tls = () => process.getBuiltinModule('node:tls')

/** Rejects when a file cannot be used. */
export async function startCellTls(
  settings: CellsTls | undefined,
  addresses: Addresses,
  pollMs: number,
  log: Logger,
): Promise<CellTls> {
  const sessions = new Map<string, Buffer>()
  let unlogged = 0
  let loggedAt = Number.NEGATIVE_INFINITY

  const files = settings ? await startCellFiles(settings, () => sessions.clear(), pollMs, log) : null
  let standard: SecureContext | undefined
  const context = () => {
    standard ??= files ? undefined : tls().createSecureContext(contextOptions(MIN_VERSION, MODERN_CIPHERS))
    return files?.current.context ?? standard!
  }

  function keepSession(url: string, session: Buffer): void {
    sessions.delete(url)
    if (sessions.size >= SESSIONS_MAX) sessions.delete(sessions.keys().next().value!)
    sessions.set(url, session)
  }

  function logFailure(url: string, error: NodeJS.ErrnoException): void {
    // What has an errno is the network's, and counted like that of any cell.
    if (error.errno !== undefined) return
    const now = performance.now()
    if (now - loggedAt < FAILURES_LOGGED_EVERY_MS) {
      unlogged++
      return
    }
    log.warn('no TLS with a cell', { url, why: error.message, code: error.code ?? '', not_logged: unlogged })
    loggedAt = now
    unlogged = 0
  }

  return {
    files,
    connect(origin) {
      const { hostname: host, port, url } = origin
      const secureContext = context()
      // An address is no server name (RFC 6066, section 3); the certificate must then name the address.
      const servername = settings?.server_name ?? (isIP(host) === 0 ? host : '')
      const session = sessions.get(url)
      const socket = tls().connect({
        host,
        port,
        lookup: addresses.lookup,
        servername,
        secureContext,
        ALPNProtocols: ['http/1.1'],
        ...(session && { session }),
      })
      socket.setNoDelay(true)
      socket.on('session', (fresh) => {
        if (secureContext === context()) keepSession(url, fresh)
      })
      socket.on('error', (error) => {
        sessions.delete(url)
        logFailure(url, error)
      })
      return socket
    },
    async stop() {
      await files?.stop()
    },
  }
}

function startCellFiles(
  settings: CellsTls,
  onReload: () => void,
  pollMs: number,
  log: Logger,
): Promise<ReloadedFiles<CellTlsFiles>> {
  const { ca_file, cert_file, key_file } = settings
  const files: NamedFile[] = []
  if (ca_file !== undefined) files.push({ field: 'cells_tls.ca_file', file: ca_file })
  if (cert_file !== undefined) files.push({ field: 'cells_tls.cert_file', file: cert_file })
  if (key_file !== undefined) files.push({ field: 'cells_tls.key_file', file: key_file })

  function build(texts: readonly string[]): CellTlsFiles {
    const textOf = (file: string | undefined) => texts[files.findIndex((named) => named.file === file)]
    const ca = textOf(ca_file)
    // OpenSSL takes text without a certificate as a list of none, and no cell would ever be trusted.
    if (ca !== undefined) checkIsCertificate(`cells_tls.ca_file: ${ca_file}`, ca)
    const cert = textOf(cert_file)
    const key = textOf(key_file)
    const certificate =
      cert === undefined || key === undefined
        ? null
        : checkCertificate({
            field: 'cells_tls',
            ...{ certFile: cert_file!, cert, keyFile: key_file!, key, serverNames: [] },
          })
    try {
      const own = { ...(ca !== undefined && { ca }), ...(cert !== undefined && { cert, key }) }
      return {
        context: tls().createSecureContext({ ...contextOptions(MIN_VERSION, MODERN_CIPHERS), ...own }),
        certificate,
      }
    } catch (error) {
      throw new Error(
        `cells_tls: ${files.map(({ file }) => file).join(', ')} cannot be used: ${(error as Error).message}`,
        { cause: error },
      )
    }
  }

  return startReloadedFiles({ what: 'the TLS files of cells_tls', files, build, onReload, pollMs, log })
}
