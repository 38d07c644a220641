/**
 * What a fleet left running when its `up` was killed, or when its agent did not stop in time.
 *
 * Processes are known by records (pid and start time) that whoever started them wrote; a number that means another
 * process by now is left alone.
 */
import { readdir, readFile, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { isRunning, type ProcessIdentity, signalProcess } from '@cellplane/host'
import { adoptPostgres, findServer } from '@cellplane/postgres'
import { readPreparedFleet } from '../fleet/prepared-fleet.ts'
import type { StateLayout } from '../fleet/state-layout.ts'
import { pause } from '../pause.ts'
import { agentStopMs } from './configs.ts'
import { CONTROL_POSTGRES } from './control-postgres.ts'

/** A plane whose parent is gone stops by itself; this is for one that hangs. */
const PLANES_STOP_MS = 20_000
const CELLS_STOP_MS = 10_000
const KILL_MAX_MS = 5_000
const LOOK_EVERY_MS = 50

/** Ends recorded planes and local services; then, since its clients are gone, the control plane's PostgreSQL. True when there was any. */
export async function endPlanes(layout: StateLayout, isPatient = true): Promise<boolean> {
  const records = (await recordsIn(layout.run)).filter(
    ({ file }) => file !== layout.recordOf(CONTROL_POSTGRES),
  )
  const isAgent = ({ file }: RunRecord) => file === layout.recordOf('agent')
  await Promise.all([
    endAll(
      records.filter((record) => !isAgent(record)),
      PLANES_STOP_MS,
    ),
    endAll(records.filter(isAgent), isPatient ? await agentPatienceMs(layout) : PLANES_STOP_MS),
  ])
  const postgres = await adoptPostgres(layout.controlPostgres)
  await postgres?.stop('fast')
  return records.length > 0 || postgres !== undefined
}

/** An agent stops its cells first; killed in the middle, it would leave them. By the fleet that it ran, not the one to come. */
async function agentPatienceMs(layout: StateLayout): Promise<number> {
  return await readPreparedFleet(layout.stateDir).then(agentStopMs, () => PLANES_STOP_MS)
}

/** True when cells of an earlier run live on, if only their PostgreSQL: a new agent takes them over. */
export async function hasRunningCells(layout: StateLayout): Promise<boolean> {
  const found = await Promise.all(
    (await cellFolders(layout)).map(
      async (cell) =>
        (await recordsIn(join(cell, 'run'))).length > 0 ||
        (await findServer(join(cell, 'postgres'))) !== undefined,
    ),
  )
  return found.includes(true)
}

/** Ends every process of every cell. Nothing to do after an agent that stopped in order. */
export async function endCells(layout: StateLayout, isPatient: boolean): Promise<void> {
  await Promise.all(
    (await cellFolders(layout)).map(async (cell) => {
      await endAll(await recordsIn(join(cell, 'run')), isPatient ? CELLS_STOP_MS : 0)
      await (await adoptPostgres(join(cell, 'postgres')))?.stop(isPatient ? 'fast' : 'immediate')
    }),
  )
}

type RunRecord = ProcessIdentity & { file: string }

/** SIGTERM, a bounded wait, SIGKILL; each record leads a process group. */
async function endAll(records: readonly RunRecord[], patienceMs: number): Promise<void> {
  for (const { pid } of patienceMs > 0 ? records : []) signalProcess(-pid, 'SIGTERM')
  await waitUntilGone(records, patienceMs)
  for (const record of records) {
    signalProcess(-record.pid, 'SIGKILL')
    await rm(record.file, { force: true })
  }
  await waitUntilGone(records, KILL_MAX_MS)
}

async function waitUntilGone(records: readonly RunRecord[], ms: number): Promise<void> {
  const deadline = performance.now() + ms
  while (records.some(isRunning) && performance.now() < deadline) await pause(LOOK_EVERY_MS)
}

async function cellFolders(layout: StateLayout): Promise<string[]> {
  return (await readdir(layout.cells).catch(() => [])).map((cell) => join(layout.cells, cell))
}

/** Records of processes that run. */
async function recordsIn(folder: string): Promise<RunRecord[]> {
  const names = (await readdir(folder).catch(() => [])).filter(
    (name) => name.endsWith('.json') && name !== 'up.json',
  )
  const records = await Promise.all(names.map((name) => readRecord(join(folder, name))))
  return records.filter((record) => record !== undefined && isRunning(record)) as RunRecord[]
}

async function readRecord(file: string): Promise<RunRecord | undefined> {
  try {
    const { pid, startedAt } = JSON.parse(await readFile(file, 'utf8')) as Partial<ProcessIdentity>
    if (typeof pid !== 'number' || pid <= 1 || typeof startedAt !== 'string') return undefined
    return { pid, startedAt, file }
  } catch {
    return undefined
  }
}
