/**
 * A fleet's planes with nothing behind them but instances: the real control plane on a real PostgreSQL, and two real
 * routers that follow it, each a process. The cells are whatever listens on the given ports; what a host would report of
 * them is reported here.
 */
import { generateKeyPairSync } from 'node:crypto'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createApiClient } from '@cellplane/client'
import type { HostReport } from '@cellplane/contract'
import { parseFleet } from '@cellplane/contract/fleet-file'
import { startTestPostgres } from '@cellplane/postgres'
import { freePortRange, waitFor } from '@cellplane/testing'
import { startProcess } from './gray-failure/process.ts'
import { TENANT_HEADER } from './gray-failure/proxies/cells.ts'
import { startRouterProcess } from './router-process.ts'

export type Planes = Awaited<ReturnType<typeof startPlanes>>

const FLEET = 'planes'
const HOST = 'local'
const ROUTERS = ['router-1', 'router-2']
/** As agents do. */
const REPORT_MS = 1_000
const START_TIMEOUT_MS = 60_000
const ROLES = ['admin', 'router', 'host'] as const

/**
 * `ports` are the instances', one a cell by slot; `declared` stands in the fleet file over what stands there otherwise.
 * Resolves when all cells are placed and healthy, and all routers route.
 */
export async function startPlanes(ports: readonly number[], declared: Record<string, unknown>) {
  const folder = mkdtempSync(join(tmpdir(), 'cellplane-planes-'))
  const file = (name: string) => join(folder, name)
  const processes: { stop(): Promise<void> }[] = []
  let reporter: NodeJS.Timeout | undefined
  const postgres = await startTestPostgres()

  async function stop(): Promise<void> {
    clearInterval(reporter)
    await Promise.all(processes.map((process) => process.stop()))
    await postgres.stop()
    rmSync(folder, { recursive: true, force: true })
  }

  try {
    const controlPort = await freePortRange(1)
    const url = `http://127.0.0.1:${controlPort}`
    writeFiles(folder, postgres.url, controlPort, {
      cells: { count: ports.length, holdings: 'none' },
      ...declared,
    })
    const control = startProcess(new URL(import.meta.resolve('@cellplane/control/main')), [
      '--config',
      file('control.json'),
    ])
    processes.push(control)
    await control.untilOutput(/control plane listens/)
    const client = (role: (typeof ROLES)[number]) => createApiClient({ url, token: tokenOf(role) })
    const [admin, host] = [client('admin'), client('host')]
    const cells = await waitFor('the cells to be declared', START_TIMEOUT_MS, async () => {
      const { cells } = await admin.getStatus()
      return cells.length === ports.length && cells
    })
    const report = () =>
      // Lost like an agent's: the next one says it again.
      host.reportHost({ params: { host: HOST }, body: reportOf(cells, ports) }).catch(() => {})
    reporter = setInterval(report, REPORT_MS)
    await waitFor('the cells to be placed and healthy', START_TIMEOUT_MS, async () => {
      const { base, cells } = await admin.getStatus()
      return base !== null && cells.every(({ state, health }) => state === 'active' && health === 'healthy')
    })
    const routers = await Promise.all(
      ROUTERS.map((name) => startRouterProcess({ folder, name, fleet: FLEET, controlUrl: url })),
    )
    processes.push(...routers)
    await waitFor('the routers to route', START_TIMEOUT_MS, async () => {
      const { base, routers: seen } = await admin.getStatus()
      return seen.length === ROUTERS.length && seen.every((one) => one.base?.version === base?.version)
    })
    return { admin, routerUrls: routers.map((router) => router.url), stop }
  } catch (error) {
    await stop()
    throw error
  }
}

const tokenOf = (role: string) => `${role}-token-of-the-scenario`

function writeFiles(
  folder: string,
  databaseUrl: string,
  port: number,
  declared: Record<string, unknown>,
): void {
  const file = (name: string) => join(folder, name)
  const fleet = parseFleet({
    format: 1,
    fleet: FLEET,
    kind: 'stateless',
    partition_key: { rules: [{ from: 'header', name: TENANT_HEADER }] },
    quarantine: { enabled: false },
    components: [{ name: 'api', run: 'node api.js', serves: true }],
    ...declared,
  })
  if (!fleet.ok) throw new Error(JSON.stringify(fleet.problems))
  const { privateKey, publicKey } = generateKeyPairSync('ed25519')
  const control = {
    fleet_file: file('fleet.json'),
    listen: { host: '127.0.0.1', port },
    database_url: databaseUrl,
    tokens: ROLES.map((role) => ({ role, name: role, token_file: file(`${role}.token`) })),
    signing_key_file: file('topology.key.pem'),
    router_key_file: file('router.key'),
    publish_dir: file('published'),
    parent_bound: true,
  }
  const files = {
    'fleet.json': JSON.stringify({ directory: folder, fleet: fleet.value }),
    'control.json': JSON.stringify(control),
    'topology.key.pem': privateKey.export({ type: 'pkcs8', format: 'pem' }),
    'topology.jwks.json': JSON.stringify({ keys: [publicKey.export({ format: 'jwk' })] }),
    'router.key': 'router-key-of-the-scenario',
    ...Object.fromEntries(ROLES.map((role) => [`${role}.token`, tokenOf(role)])),
  }
  mkdirSync(file('published'))
  for (const [name, text] of Object.entries(files)) writeFileSync(file(name), text, { mode: 0o600 })
}

function reportOf(cells: readonly { id: string; slot: number }[], ports: readonly number[]): HostReport {
  return {
    host: HOST,
    at: new Date().toISOString(),
    order: null,
    cells: cells.map(({ id, slot }) => ({
      id,
      slot,
      is_running: true,
      endpoint: `http://127.0.0.1:${ports[slot]}`,
      stores: [],
      components: [],
      holdings: null,
      limits: 'none',
    })),
  }
}
