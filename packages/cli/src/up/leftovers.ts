/**
 * What a fleet left running when its `up` was killed, or when its agent did not stop in time.
 *
 * Processes are known by records (pid and start time) that whoever started them wrote; a number that means another
 * process by now is left alone.
 */
import { readdir, readFile, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { isRunning, type ProcessIdentity, signalProcess } from '@cellplane/host'
import { adoptPostgres } from '@cellplane/postgres'
import type { StateLayout } from '../fleet/state-layout.ts'
import { pause } from '../pause.ts'
import { CONTROL_POSTGRES } from './control-postgres.ts'

/** A plane whose parent is gone stops by itself; this is for one that hangs. */
const PLANES_STOP_MS = 20_000
const CELLS_STOP_MS = 10_000
const KILL_MAX_MS = 5_000
const LOOK_EVERY_MS = 50

/** Ends recorded planes and local services; then, since its clients are gone, the control plane's PostgreSQL. True when there was any. */
export async function endPlanes(layout: StateLayout): Promise<boolean> {
  const records = (await recordsIn(layout.run)).filter(
    ({ file }) => file !== layout.recordOf(CONTROL_POSTGRES),
  )
  await endAll(records, PLANES_STOP_MS)
  const postgres = await adoptPostgres(layout.controlPostgres)
  await postgres?.stop('fast')
  return records.length > 0 || postgres !== undefined
}

/** True when cells of an earlier run live on: a new agent takes them over. */
export async function hasRunningCells(layout: StateLayout): Promise<boolean> {
  const records = await Promise.all((await cellFolders(layout)).map((cell) => recordsIn(join(cell, 'run'))))
  return records.flat().length > 0
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
