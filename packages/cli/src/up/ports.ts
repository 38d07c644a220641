/** Every fixed port of a fleet on one machine: planned from the flags, and checked before anything starts. */
import { createServer } from 'node:net'
import { type Problem, problem } from '@cellplane/contract'
import { cellsOf, type FleetFile } from '@cellplane/contract/fleet-file'

/** What listens for others, listens here. A fleet on a laptop is nobody else's business. */
export const LISTEN_HOST = '127.0.0.1'

export type PortFlags = {
  controlPort: number
  routerPort: number
  routerAdminPort: number
  cellPortBase: number
  localPort: number
  routers: number
}

export type PlannedPort = { port: number; what: string; flag: string }

export type PortPlan = {
  control: number
  controlPostgres: number
  router: number
  /** By router. */
  admin: ReadonlyMap<string, number>
  cellBase: number
  /** `sinks` → `smtp` → 7490. */
  local: ReadonlyMap<string, ReadonlyMap<string, number>>
  planes: PlannedPort[]
  cells: PlannedPort[]
}

/** The agent's rule: ten ports a cell, PostgreSQL's first, then components in the fleet file's order. */
const PORTS_PER_CELL = 10
const PORT_MAX = 65_535

export function planPorts(fleet: FleetFile, flags: PortFlags): PortPlan {
  const admin = new Map(
    Array.from({ length: flags.routers }, (_, i) => [routerName(i), flags.routerAdminPort + i]),
  )
  const local = new Map<string, Map<string, number>>()
  let nextLocal = flags.localPort
  for (const service of fleet.local.services) {
    local.set(service.name, new Map(service.ports.map((name) => [name, nextLocal++])))
  }
  return {
    control: flags.controlPort,
    controlPostgres: flags.controlPort + 1,
    router: flags.routerPort,
    admin,
    cellBase: flags.cellPortBase,
    local,
    planes: [
      { port: flags.controlPort, what: 'the control plane', flag: '--control-port' },
      { port: flags.controlPort + 1, what: 'the control plane’s PostgreSQL', flag: '--control-port' },
      { port: flags.routerPort, what: 'the routers', flag: '--router-port' },
      ...[...admin].map(([router, port]) => ({
        port,
        what: `${router}’s admin`,
        flag: '--router-admin-port',
      })),
      ...[...local].flatMap(([service, ports]) =>
        [...ports].map(([name, port]) => ({ port, what: `${service}’s ${name}`, flag: '--local-port' })),
      ),
    ],
    cells: planCellPorts(fleet, flags.cellPortBase),
  }
}

/** `router-1` and on. */
export function routerName(index: number): string {
  return `router-${index + 1}`
}

function planCellPorts(fleet: FleetFile, base: number): PlannedPort[] {
  const listening = fleet.components.filter(({ serves, port }) => serves || port)
  return cellsOf(fleet).flatMap(({ id, database_url }, slot) => {
    const first = base + PORTS_PER_CELL * slot
    const hasServer = fleet.cells.database === 'postgres' && database_url === null
    const flag = '--cell-port-base'
    return [
      ...(hasServer ? [{ port: first, what: `${id}’s PostgreSQL`, flag }] : []),
      ...listening.map(({ name }, i) => ({ port: first + 1 + i, what: `${id}’s ${name}`, flag })),
    ]
  })
}

/** Ports that are too high, or that two flags give away twice. */
export function checkPlan(ports: readonly PlannedPort[]): Problem[] {
  const problems: Problem[] = []
  const seen = new Map<number, PlannedPort>()
  for (const planned of ports) {
    const { port, what, flag } = planned
    const other = seen.get(port)
    if (port > PORT_MAX) {
      problems.push(
        problem(
          'PORT_TOO_HIGH',
          flag,
          `${what} would get port ${port}; the last one is ${PORT_MAX}, so lower it`,
        ),
      )
    } else if (other) {
      problems.push(
        problem(
          'PORT_TWICE',
          flag,
          `port ${port} would be ${what}, and ${other.what} by ${other.flag}; move one of them`,
        ),
      )
    }
    seen.set(port, planned)
  }
  return problems
}

/** Ports that somebody else has, a line each: tried by listening, which is the only way to know. */
export async function findTaken(ports: readonly PlannedPort[]): Promise<Problem[]> {
  const found = await Promise.all(
    ports.map(async (planned) => ({ planned, code: await tryPort(planned.port) })),
  )
  return found.flatMap(({ planned: { port, what, flag }, code }) => {
    if (code === undefined) return []
    const why = code === 'EADDRINUSE' ? 'is taken' : `cannot be listened on (${code})`
    return [problem('PORT_TAKEN', flag, `port ${port}, for ${what}, ${why}`)]
  })
}

/** What stands above these lines: the remedy once, however many there are. */
export function describeTaken(taken: readonly Problem[]): string {
  const flags = [...new Set(taken.map(({ path }) => path))].join(', ')
  return `${taken.length === 1 ? 'a port is' : `${taken.length} ports are`} in use by other processes; stop them, or choose other ports with ${flags}:`
}

function tryPort(port: number): Promise<string | undefined> {
  return new Promise((resolve) => {
    const server = createServer()
    server.once('error', (error: NodeJS.ErrnoException) => resolve(error.code ?? 'unknown'))
    server.listen({ port, host: LISTEN_HOST, exclusive: true }, () => server.close(() => resolve(undefined)))
  })
}
