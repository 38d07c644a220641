/**
 * Whether nothing listens where a cell should be: a connection is made and closed at once. It says less than a health
 * check and cannot lie: of a process that has just died, the port is closed.
 */
import { connect } from 'node:net'
import type { CellOrigin } from './cell-pool.ts'

/** What the other side, or the network before it, says. A descriptor that is lacking here, for one, is not its doing. */
const REFUSALS: ReadonlySet<string | undefined> = new Set(['ECONNREFUSED', 'EHOSTUNREACH'])

/** Never rejects; false also when it cannot be told within the time. */
export function refusesConnections(
  { hostname: host, port }: Pick<CellOrigin, 'hostname' | 'port'>,
  timeoutMs: number,
  signal: AbortSignal,
): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ host, port, timeout: timeoutMs, signal })
    const settle = (isRefused: boolean) => {
      socket.destroy()
      resolve(isRefused)
    }
    socket.once('connect', () => settle(false)).once('timeout', () => settle(false))
    socket.on('error', ({ code }: NodeJS.ErrnoException) => settle(REFUSALS.has(code)))
  })
}
