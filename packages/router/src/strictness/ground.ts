/** What every case stands on: a real router, and one raw cell behind it that every tenant's requests go to. */
import { send } from '../testing/client.ts'
import { type RouterOptions, startFakeFleet } from '../testing/fake-fleet.ts'
import { type RawCell, startRawCell } from '../testing/raw-cell.ts'
import { until } from '../testing/wait.ts'

export type Ground = {
  readonly port: number
  readonly cell: RawCell
  stop(): Promise<void>
}

export const KEY_DOMAIN = 'svc.test'

/** `isUnreachable`: a connection to the cell is one only after TLS, which it does not speak. */
export async function startGround(
  options: RouterOptions & { isUnreachable?: boolean | undefined } = {},
): Promise<Ground> {
  const { isUnreachable, ...more } = options
  const cell = await startRawCell()
  const fleet = await startFakeFleet({ cells: 2, isPublished: false })
  const http = isUnreachable ? cell.url.replace('http:', 'https:') : cell.url
  const { version } = fleet.publishBase({
    cells: fleet.buildBase().cells.map((entry) => ({ ...entry, endpoints: { http } })),
    partition_key: [
      { from: 'header', name: 'x-tenant' },
      { from: 'subdomain', domain: KEY_DOMAIN },
    ],
    // Nothing is sent a second time: what reaches the cell is counted.
    routes: [{ path: '/*', failover: 'home-only' }],
  })
  fleet.publishOverlay({ base_version: version })
  const { port, adminPort } = await fleet.startRouter(more)
  await until('a topology', async () => (await send(adminPort, { path: '/readyz' })).status === 200)
  return {
    port,
    cell,
    async stop() {
      await cell.stop()
      await fleet.stop()
    },
  }
}

/** A request's head of HTTP/1.1 that lacks nothing, with more lines. */
export function head(line: string, ...lines: readonly string[]): string {
  return `${line} HTTP/1.1\r\nhost: a.test\r\nx-tenant: acme\r\n${lines.map((l) => `${l}\r\n`).join('')}\r\n`
}

export const GOOD = head('GET /good')
