/**
 * A whole fleet for a test or scenario: the real `cellplane up` as a process, on ports and in folders of its own.
 */
import { type ChildProcess, execFile, spawn } from 'node:child_process'
import { readdirSync, readFileSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { createApiClient } from '@cellplane/client'
import type { FleetStatus } from '@cellplane/contract/api'
import { freePortRange } from './ports.ts'
import { isAlive, processesMentioning, processTree, signalAll } from './processes.ts'
import { waitFor } from './wait.ts'
import { writeZonedExample } from './zoned-example.ts'

const CLI = fileURLToPath(import.meta.resolve('@cellplane/cli/bin'))
export const EXAMPLE = fileURLToPath(import.meta.resolve('@cellplane/example-notifications/cellplane.yaml'))

/** Planes take the first ten ports, local services the next ten, each cell ten more. */
const PORTS_PER_CELL = 10

/** A fleet of 4 serves after about 15 s on two idle cores; CI's may be busy. */
const START_TIMEOUT_MS = 120_000
const STOP_TIMEOUT_MS = 60_000

export type TestFleetOptions = {
  fleetFile?: string
  cells: number
  /** Of the worked example's cells, in turn, instead of its one. */
  zones?: readonly string[]
  /** How many cells may be added later. */
  spareCells?: number
  /** Further `up` flags. */
  flags?: readonly string[]
  /** Reuse the folder of a fleet that was stopped. */
  stateDir?: string
  env?: Record<string, string>
}

export type TestFleet = Awaited<ReturnType<typeof startFleet>>

/** Starts the fleet and resolves when every cell serves and every router routes by the same topology. */
export async function startFleet(options: TestFleetOptions) {
  const folder = options.stateDir ?? (await mkdtemp(join(tmpdir(), 'cellplane-fleet-')))
  // Beside the folder: a state directory that holds a file of somebody else's is refused.
  const zonedFile = options.zones && `${folder}.yaml`
  if (options.zones && zonedFile) await writeZonedExample(EXAMPLE, options.zones, zonedFile)
  const fleetFile = options.fleetFile ?? zonedFile ?? EXAMPLE
  const base = await freePortRange(20 + PORTS_PER_CELL * (options.cells + 1 + (options.spareCells ?? 1)))
  const ports = { control: base, router: base + 2, admin: base + 4, local: base + 10, cells: base + 20 }
  const flags = [
    ...['--fleet', fleetFile, '--state', folder, '--cells', String(options.cells)],
    ...['--control-port', String(ports.control), '--router-port', String(ports.router)],
    ...[
      '--router-admin-port',
      String(ports.admin),
      '--cell-port-base',
      String(ports.cells),
      '--local-port',
      String(ports.local),
    ],
    ...(options.flags ?? []),
  ]
  const startedAt = performance.now()
  const up = spawn(process.execPath, [CLI, 'up', ...flags], {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, XDG_STATE_HOME: join(folder, 'xdg'), ...options.env },
  })
  const output = collect(up)
  const controlUrl = `http://127.0.0.1:${ports.control}`
  const runFolderOf = (cell: string) => join(folder, 'hosts/local/cells', cell, 'run')
  const client = () =>
    createApiClient({ url: controlUrl, token: readFileSync(join(folder, 'keys/admin.token'), 'utf8').trim() })
  const status = (): Promise<FleetStatus> => client().getStatus()

  const fleet = {
    stateDir: folder,
    up,
    output,
    ports,
    controlUrl,
    routerUrl: `http://127.0.0.1:${ports.router}`,
    adminUrls: [`http://127.0.0.1:${ports.admin}`, `http://127.0.0.1:${ports.admin + 1}`],
    /** Milliseconds from the start of `up` until all of it served. */
    startedInMs: 0,
    client,
    status,
    /** Runs a CLI command against this fleet; stdout. */
    cli: (...args: string[]) => cli(args, folder, fleetFile),
    /** Every process of a cell, PostgreSQL and its backends too. */
    cellPids: (cell: string): number[] =>
      [
        ...recordedPids(runFolderOf(cell)),
        ...postgresPid(join(folder, 'hosts/local/cells', cell, 'postgres')),
      ].flatMap(processTree),
    /** Undefined while it is being restarted. */
    componentPid: (cell: string, component: string): number | undefined =>
      recordedPids(runFolderOf(cell), `${component}.run`)[0],
    /** Of `control`, `agent`, `router-1` …; undefined while it is being restarted. */
    planePid: (plane: string): number | undefined => recordedPids(join(folder, 'run'), plane)[0],
    /** Administrator's access to a cell's own database, as only its host has it. */
    cellDatabaseUrl(cell: string): string {
      const { app } = JSON.parse(
        readFileSync(join(folder, 'hosts/local/cells', cell, 'postgres.json'), 'utf8'),
      ) as { app: string }
      const slot = Number(
        JSON.parse(readFileSync(join(folder, 'hosts/local/order.json'), 'utf8')).cells.find(
          (c: { id: string }) => c.id === cell,
        ).slot,
      )
      return `postgres://app:${app}@127.0.0.1:${ports.cells + PORTS_PER_CELL * slot}/app`
    },
    /** Ends `up` as Ctrl-C does; fails when anything is left running. */
    async stop(): Promise<void> {
      if (up.exitCode === null && up.signalCode === null) {
        up.kill('SIGINT')
        await waitFor(
          'the fleet to stop',
          STOP_TIMEOUT_MS,
          () => up.exitCode !== null || up.signalCode !== null,
        )
      }
      const left = processesMentioning(folder)
      signalAll(left, 'SIGKILL')
      if (left.length > 0)
        throw new Error(`${left.length} processes were left running: ${left.join(', ')}\n${output()}`)
    },
    async remove(): Promise<void> {
      await fleet.stop()
      await rm(folder, { recursive: true, force: true })
      if (zonedFile) await rm(zonedFile, { force: true })
    },
  }

  try {
    const became = await waitFor('the fleet to serve', START_TIMEOUT_MS, async () =>
      up.exitCode !== null ? 'ended' : isServing(await status(), options.cells) && 'serving',
    )
    if (became === 'ended') throw new Error(`up ended with ${up.exitCode}`)
  } catch (cause) {
    await fleet.stop().catch(() => {})
    throw new Error(`the fleet did not start:\n${output()}`, { cause })
  }
  fleet.startedInMs = performance.now() - startedAt
  return fleet
}

/** All cells are placed and healthy, and two routers route by the newest base. */
function isServing(status: FleetStatus, cells: number): boolean {
  const placed = status.cells.filter((cell) => cell.state === 'active' && cell.health === 'healthy')
  const routers = status.routers.filter(
    (router) => router.is_reporting && router.base?.version === status.base?.version,
  )
  return placed.length >= cells + 1 && routers.length >= 2
}

async function cli(args: string[], stateDir: string, fleetFile: string): Promise<string> {
  const { stdout } = await promisify(execFile)(process.execPath, [
    CLI,
    ...args,
    '--fleet',
    fleetFile,
    '--state',
    stateDir,
  ])
  return stdout
}

/** The postmaster's pid is the first line of its own pid file. */
function postgresPid(dataDir: string): number[] {
  const pid = Number.parseInt(readFileSync(join(dataDir, 'postmaster.pid'), 'utf8'), 10)
  return isAlive(pid) ? [pid] : []
}

/** Pids of live processes in a folder of records (`<name>.json` with a pid each). */
function recordedPids(folder: string, name?: string): number[] {
  return readdirSync(folder)
    .filter(
      (file) =>
        file.endsWith('.json') && file !== 'up.json' && (name === undefined || file === `${name}.json`),
    )
    .flatMap((file) => {
      try {
        const { pid } = JSON.parse(readFileSync(join(folder, file), 'utf8')) as { pid?: unknown }
        return typeof pid === 'number' && isAlive(pid) ? [pid] : []
      } catch {
        return []
      }
    })
}

/** The last 20,000 characters of what a process printed. */
function collect(child: ChildProcess): () => string {
  let text = ''
  for (const stream of [child.stdout, child.stderr]) {
    stream?.setEncoding('utf8').on('data', (chunk: string) => {
      text = (text + chunk).slice(-20_000)
    })
  }
  return () => text
}
