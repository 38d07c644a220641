/**
 * Ends what an agent before this one left running and no order wants any more.
 *
 * Normally a new agent adopts what runs. But the order may have changed while no agent lived: the cell is to be
 * stopped, a component is gone, or the order on disk was damaged and the agent is told to stop before it has another.
 * The records in the cell's folder tell what was started; what this agent keeps itself is named and left alone.
 */
import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { adoptPostgres } from '@cellplane/postgres'
import { killStrays, stopRecorded } from '../process/kept-process.ts'
import { type CellFolder, cellFolder, parseRecordFile } from './cell-folder.ts'
import { markOf } from './environment.ts'

/** `wanted` are names of components, and `postgres`. Resolves when nothing else of the cell runs. */
export async function sweepCell(folder: CellFolder, wanted: ReadonlySet<string>): Promise<void> {
  const records = await readdir(folder.records).catch(() => [])
  const unwanted = records.filter((file) => !wanted.has(parseRecordFile(file)?.component ?? ''))
  await Promise.all(unwanted.map((file) => stopRecordedIn(folder, file)))
  // What was started and not recorded, because the agent was killed between the two.
  if (wanted.size === 0) await killStrays(markOf(folder.routerSecretFile))
  if (!wanted.has('postgres')) await (await adoptPostgres(folder.postgres))?.stop('fast')
}

async function stopRecordedIn(folder: CellFolder, file: string): Promise<void> {
  const record = parseRecordFile(file)
  if (!record) return
  const { component, target } = record
  await stopRecorded(join(folder.records, file), markOf(folder.routerSecretFile, component, target))
}

/** Every cell of the host that is not named, stopped side by side. */
export async function sweepHost(stateDir: string, named: ReadonlySet<string>): Promise<void> {
  const cells = await readdir(join(stateDir, 'cells')).catch(() => [])
  const unnamed = cells.filter((cell) => !named.has(cell))
  await Promise.all(unnamed.map((cell) => sweepCell(cellFolder(stateDir, cell), new Set())))
}
