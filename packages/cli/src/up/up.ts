/**
 * `cellplane up`: a whole fleet on one machine, from its file.
 *
 * parse → lock → check ports → keys → configuration → processes → wait until it serves → print → wait to be told to stop
 * → stop in order. What this process starts, it stops: each step that fails undoes those before it, and what it cannot
 * undo any more (it was killed) its children and the next start do.
 */

import { createApiClient } from '@cellplane/client'
import { cellsOf, type FleetFile } from '@cellplane/contract/fleet-file'
import { identify } from '@cellplane/host'
import { Failure } from '../failure.ts'
import { requireFleetFile } from '../fleet/fleet-file.ts'
import { writePreparedFleet } from '../fleet/prepared-fleet.ts'
import { forgetRunning, rememberRunning } from '../fleet/running.ts'
import { prepareStateDir, stateDirFor } from '../fleet/state-dir.ts'
import { type StateLayout, stateLayout } from '../fleet/state-layout.ts'
import { removeUpRecord, type UpRecord, writeUpRecord } from '../fleet/up-record.ts'
import { count } from '../output/print.ts'
import { hasOwnIssuer, openIssuer, tenantClaimOf } from '../tokens/development-issuer.ts'
import { keepLogsBounded } from './bounded-logs.ts'
import { controlUrl, writeConfigs } from './configs.ts'
import { controlDatabaseUrl } from './control-postgres.ts'
import { type FleetProcesses, startProcesses } from './fleet-processes.ts'
import { EXAMPLE_TENANT, formatInvitation } from './invitation.ts'
import { ensureKeys, readSecret } from './keys.ts'
import { endPlanes, hasRunningCells } from './leftovers.ts'
import { acquireLock } from './lock.ts'
import { applyFlags, type UpFlags } from './options.ts'
import { checkPlan, describeTaken, findTaken, LISTEN_HOST, type PortPlan, planPorts } from './ports.ts'
import { rootWarning } from './root-warning.ts'
import { type Progress, waitUntilServing } from './serving.ts'
import type { StopSignals } from './stop-signals.ts'

export type UpOutput = {
  /** One line of progress. */
  say(text: string): void
  /** Once, when the fleet serves: for people, and for scripts. */
  serving(text: string, record: UpRecord): void
}

const EXAMPLE_TOKEN_MS = 12 * 3_600_000

/** Resolves when the fleet has been stopped. Rejects with a Failure when it could not be started; nothing is left then. */
export async function up(
  flags: UpFlags,
  signals: StopSignals,
  output: UpOutput,
  command: string,
): Promise<void> {
  const startedAt = performance.now()
  const read = await requireFleetFile(flags.fleet)
  const fleet = applyFlags(read, flags)
  const ports = planPorts(fleet, flags)
  refuseIfAny('PORTS_UNUSABLE', 'the ports do not fit:', checkPlan([...ports.planes, ...ports.cells]))
  const stateDir = await stateDirFor({ flag: flags.state, fleetFile: read.path, fleet: fleet.fleet })
  await prepareStateDir(stateDir)
  const layout = stateLayout(stateDir)
  const lock = await acquireLock(layout.lock)
  try {
    output.say(`${fleet.fleet}: ${count(cellsOf(fleet).length, 'cell')}, state in ${stateDir}`)
    await endPlanes(layout)
    // Cells that outlived their agent hold their ports rightly: the new agent takes them over.
    const cellPorts = (await hasRunningCells(layout)) ? [] : ports.cells
    const taken = await findTaken([...ports.planes, ...cellPorts])
    refuseIfAny('PORT_TAKEN', describeTaken(taken), taken)
    const warning = await rootWarning(read.directory)
    if (warning !== undefined) output.say(`warning: ${warning}`)
    await ensureKeys(layout)
    await writePreparedFleet(stateDir, read.directory, fleet)
    const databaseUrl = await controlDatabaseUrl(layout, ports.controlPostgres)
    await writeConfigs({ layout, fleet, directory: read.directory, ports, databaseUrl })

    const say = (text: string) => output.say(`${seconds(startedAt).padStart(6)} s  ${text}`)
    const record = describe(fleet, read.path, stateDir, ports)
    await writeUpRecord(record)
    await rememberRunning(stateDir)
    const processes = await startProcesses({
      ...{ layout, fleet, directory: read.directory, ports },
      onEnd: (name, { how }) => say(`${name} ${how}; it is started again`),
      onStep: say,
      signal: signals.stopping,
    })
    await runUntilStopped(processes, signals, output, record, async () => {
      const progress = await announceServing(fleet, layout, record, say, signals.stopping)
      const text = formatInvitation({
        ...{ fleet, cells: progress.cellsPlaced, urls: record.urls, command },
        token: await exampleToken(fleet, stateDir),
        seconds: Number(seconds(startedAt)),
        hasTerminal: process.stdin.isTTY ?? false,
      })
      const serving: UpRecord = { ...record, phase: 'serving' }
      await writeUpRecord(serving)
      output.serving(
        progress.missing.length === 0
          ? text
          : `${text}\n\nNot everything is ready yet; see \`${command} status\`.`,
        serving,
      )
    })
  } finally {
    await forgetRunning(stateDir)
    await removeUpRecord(stateDir)
    await lock.release()
  }
}

/** Runs `announce`, waits for the first signal, and stops everything; a second signal makes short work of it. */
async function runUntilStopped(
  processes: FleetProcesses,
  signals: StopSignals,
  output: UpOutput,
  record: UpRecord,
  announce: () => Promise<void>,
): Promise<void> {
  const logs = keepLogsBounded(stateLayout(record.state_dir).logs)
  try {
    await announce()
    await aborted(signals.stopping)
  } catch (error) {
    if (!signals.stopping.aborted) throw error
  } finally {
    output.say('stopping; once more to stop at once')
    // Only news: a full disk must not keep us from stopping.
    await writeUpRecord({ ...record, phase: 'stopping' }).catch(() => {})
    const stopped = processes.stop()
    const isInOrder = await Promise.race([
      stopped.then(() => true),
      aborted(signals.forcing).then(() => false),
    ])
    if (!isInOrder) {
      await processes.kill()
      await stopped
    }
    await logs.stop()
    output.say('stopped')
  }
}

async function announceServing(
  fleet: FleetFile,
  layout: StateLayout,
  record: UpRecord,
  say: (text: string) => void,
  signal: AbortSignal,
): Promise<Progress> {
  const client = createApiClient({ url: record.urls.control, token: await readSecret(layout.adminToken) })
  const expected = {
    cells: cellsOf(fleet).map(({ id }) => id),
    routers: Object.keys(record.urls.routers).length,
  }
  const progress = await waitUntilServing(
    client,
    expected,
    ({ cellsReady, cellsServing, cellsExpected, routersReady, missing }, isReminder) => {
      say(
        `cells ready ${cellsReady} of ${cellsExpected}, serving ${cellsServing}; routers serving ${routersReady} of ${expected.routers}`,
      )
      if (isReminder) for (const text of missing) say(`  ${text}`)
    },
    signal,
  )
  for (const text of progress.missing) say(`  ${text}`)
  return progress
}

function describe(fleet: FleetFile, fleetFile: string, stateDir: string, ports: PortPlan): UpRecord {
  const url = (port: number) => `http://${LISTEN_HOST}:${port}`
  const local = [...ports.local].flatMap(([service, named]) =>
    [...named].map(([name, port]) => [`${service}.${name}`, `${schemeOf(name)}://${LISTEN_HOST}:${port}`]),
  )
  const own = identify(process.pid)
  return {
    pid: process.pid,
    process_started_at: own?.startedAt ?? '',
    phase: 'starting',
    fleet: fleet.fleet,
    fleet_file: fleetFile,
    state_dir: stateDir,
    since: new Date().toISOString(),
    urls: {
      router: url(ports.router),
      control: controlUrl(ports),
      openapi: `${controlUrl(ports)}/openapi.json`,
      routers: Object.fromEntries([...ports.admin].map(([router, port]) => [router, url(port)])),
      local: Object.fromEntries(local),
    },
  }
}

/** A local port's name says what it speaks: `smtp`, `http`; anything else is a bare socket. */
function schemeOf(name: string): string {
  return name === 'http' || name === 'https' || name === 'smtp' ? name : 'tcp'
}

async function exampleToken(fleet: FleetFile, stateDir: string): Promise<string | undefined> {
  if (tenantClaimOf(fleet) === undefined || hasOwnIssuer(fleet)) return undefined
  const issuer = await openIssuer(fleet, stateDir)
  return await issuer.issue({
    tenant: EXAMPLE_TENANT,
    expiresInMs: EXAMPLE_TOKEN_MS,
    claims: {},
    now: Date.now(),
  })
}

function refuseIfAny(code: string, message: string, problems: Failure['problems']): void {
  // The message of each says it all; its path is the flag, which the message names as well.
  const bare = problems.map((problem) => ({ ...problem, path: '' }))
  if (bare.length > 0) throw new Failure(code, message, { problems: bare })
}

function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve()
    else signal.addEventListener('abort', () => resolve(), { once: true })
  })
}

function seconds(since: number): string {
  return ((performance.now() - since) / 1000).toFixed(1)
}
