/** Cells that answer until they are killed, behind a real router that has nothing but its documents, and callers of all of them. */
import { once } from 'node:events'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { Agent, createServer, get, type Server } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { freePortRange } from '@cellplane/testing'
import { PLAN } from '../gray-failure/plan.ts'
import { cellName, compileCells, FLEET, signCells, TENANT_HEADER } from '../gray-failure/proxies/cells.ts'
import { startRouterProcess } from '../router-process.ts'

export type Fleet = {
  readonly fleet: string
  readonly cells: readonly { id: string; url: string }[]
  readonly router: { name: string; url: string }
  /** Nobody listens there any more, and what was under way is cut off. */
  kill(cell: number): Promise<void>
  revive(cell: number): Promise<void>
  stop(): Promise<void>
}

const TENANTS = 64
/** Each sends one request of the next tenant. */
const CALL_EVERY_MS = 20
/** More than ever are under way while every cell answers; a bound, if the machine stalls. */
const UNDER_WAY_MAX = 50

export async function startFleet(count: number): Promise<Fleet> {
  const folder = mkdtempSync(join(tmpdir(), 'cellplane-alert-'))
  const first = await freePortRange(count)
  const ports = Array.from({ length: count }, (_, nth) => first + nth)
  const servers: Server[] = []
  async function revive(cell: number): Promise<void> {
    servers[cell] = createServer((_, response) => response.end('served'))
    await once(servers[cell].listen(ports[cell], '127.0.0.1'), 'listening')
  }
  async function kill(cell: number): Promise<void> {
    const server = servers[cell]!
    if (!server.listening) return
    const closed = once(server, 'close')
    server.close()
    server.closeAllConnections()
    await closed
  }
  await Promise.all(ports.map((_, cell) => revive(cell)))
  const documents = signCells(compileCells(PLAN, ports))
  mkdirSync(join(folder, 'router-1'))
  for (const [name, text] of Object.entries({
    'router-1/base.json': documents.base,
    'router-1/overlay.json': documents.overlay,
    'topology.jwks.json': documents.trustedKeys,
    'router.token': 'unused: there is no control plane',
    'router.key': 'router-key-of-the-scenario',
  })) {
    writeFileSync(join(folder, name), text, { mode: 0o600 })
  }
  const router = await startRouterProcess({
    ...{ folder, name: 'router-1', fleet: FLEET },
    // A port that nobody listens on.
    controlUrl: `http://127.0.0.1:${await freePortRange(1)}`,
  })
  const callers = startCallers(router.url)
  return {
    fleet: FLEET,
    cells: ports.map((port, slot) => ({ id: cellName(slot), url: `http://127.0.0.1:${port}` })),
    router: { name: 'router-1', url: router.adminUrl },
    kill,
    revive,
    async stop() {
      callers.stop()
      await router.stop()
      await Promise.all(ports.map((_, cell) => kill(cell)))
      rmSync(folder, { recursive: true, force: true })
    },
  }
}

/** What they are answered is no matter: the router counts it. */
function startCallers(url: string): { stop(): void } {
  const agent = new Agent({ keepAlive: true, maxSockets: UNDER_WAY_MAX })
  let next = 0
  let underWay = 0
  const timer = setInterval(() => {
    if (underWay >= UNDER_WAY_MAX) return
    underWay++
    const headers = { [TENANT_HEADER]: `tenant-${next++ % TENANTS}` }
    get(url, { agent, headers }, (answer) => answer.resume())
      .on('error', () => {})
      .on('close', () => underWay--)
  }, CALL_EVERY_MS)
  return {
    stop() {
      clearInterval(timer)
      agent.destroy()
    },
  }
}
