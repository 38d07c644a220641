/**
 * What TLS says about a client's connection: the name that it asked for, and which hosts it may ask for on it.
 *
 * Browsers send requests for another host over a connection that they have, if its certificate covers that host
 * (RFC 9113, section 9.1.1). A host that has a certificate of its own is not served under another one: the request is
 * answered 421, upon which a client opens a connection for that host (RFC 9110, section 15.5.20). Whose certificate it
 * is can decide what a client trusts and what it may have been told to reach; crossing from one to another is a mistake
 * or an attempt to hide the host.
 */
import type { TLSSocket } from 'node:tls'
import { copyText } from '../http/request-head.ts'
import { nameOfHost, type ServerNames } from './server-names.ts'

export class ClientTls {
  /** What the client asked for by SNI, in lower case; undefined when it named nothing. */
  readonly serverName: string | undefined
  readonly #certificateOf: ServerNames
  readonly #certificate: number
  #servedHost = ''

  constructor(socket: TLSSocket, certificateOf: ServerNames) {
    const { servername } = socket
    this.serverName =
      typeof servername === 'string' && servername !== '' ? servername.toLowerCase() : undefined
    this.#certificateOf = certificateOf
    this.#certificate = certificateOf(this.serverName ?? '')
  }

  /** Whether requests for `host` may come on this connection. */
  serves(host: string): boolean {
    // Nearly every request is for the same host as the one before it.
    if (host === this.#servedHost) return true
    if (this.#certificateOf(nameOfHost(host)) !== this.#certificate) return false
    this.#servedHost = copyText(host)
    return true
  }
}
