/**
 * The connections to one address of a cell that are not in use. Last used first: the fewest connections carry the load,
 * and the others idle out.
 *
 * A pool knows no requests. It is handed connections that can be used again, and hands them out.
 */
import type { CellConnection } from '../serve/cell-connection.ts'

/**
 * Idle connections are closed after this: before the cell does it (Node's servers wait 5 s), as a request that is sent
 * into a closing connection is lost, and may not be one that can be sent again.
 */
const IDLE_CONNECTION_MS = 4_000
const IDLE_CONNECTIONS_MAX = 64

export type CellPool = {
  readonly origin: CellOrigin
  /** The connection that was put back last; undefined when there is none. */
  take(): CellConnection | undefined
  /** Takes a connection back, or closes it when there are enough. `now` in ms. */
  put(connection: CellConnection, now: number): void
  /** Forgets a connection that closed while it was idle. */
  remove(connection: CellConnection): void
  /** Closes all idle connections, and from now on those that are put back: the cell has moved, or the router stops. */
  close(): void
}

export type CellOrigin = {
  readonly url: string
  readonly isTls: boolean
  readonly hostname: string
  readonly port: number
  /** Host and port as a `host` header has them. */
  readonly authority: string
  /** Path of the base URL without its last `/`; usually empty. */
  readonly pathPrefix: string
}

export function createCellPool(url: string): CellPool {
  /** Longest idle first. */
  const idle: CellConnection[] = []
  let isOpen = true
  return {
    origin: originOf(url),
    take: () => idle.pop(),
    put(connection, now) {
      if (!isOpen || idle.length >= IDLE_CONNECTIONS_MAX) return connection.destroy()
      connection.deadline = now + IDLE_CONNECTION_MS
      idle.push(connection)
    },
    remove(connection) {
      const place = idle.lastIndexOf(connection)
      if (place >= 0) idle.splice(place, 1)
    },
    close() {
      isOpen = false
      for (const connection of idle.splice(0)) connection.destroy()
    },
  }
}

function originOf(url: string): CellOrigin {
  const { protocol, hostname, port, host, pathname } = new URL(url)
  const isTls = protocol === 'https:'
  return {
    url,
    isTls,
    hostname: hostname.replace(/^\[|\]$/g, ''),
    port: port === '' ? (isTls ? 443 : 80) : Number(port),
    authority: host,
    pathPrefix: pathname.replace(/\/$/, ''),
  }
}
