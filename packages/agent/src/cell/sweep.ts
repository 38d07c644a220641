/**
 * Ends what an agent before this one left running and no order wants any more.
 *
 * Normally a new agent adopts what runs. But the order may have changed while no agent lived: the cell is to be
 * stopped, a component is gone, or the order on disk was damaged and the agent is told to stop before it has another.
 * The records in the cell's folder tell what was started; what this agent keeps itself is named and left alone.
 */
import { readdir } from 'node:fs/promises'
import { basename, join } from 'node:path'
import { adoptPostgres } from '@cellplane/postgres'
import { stopRecorded } from '../process/kept-process.ts'
import { type CellFolder, cellFolder } from './cell-folder.ts'

/** `wanted` are names of components, and `postgres`. Resolves when nothing else of the cell runs. */
export async function sweepCell(folder: CellFolder, wanted: ReadonlySet<string>): Promise<void> {
  const records = await readdir(folder.records).catch(() => [])
  // `api.json` is the component itself, `api.bootstrap.json` one of its targets.
  const unwanted = records.filter(
    (file) => file.endsWith('.json') && !wanted.has(basename(file).split('.')[0]!),
  )
  await Promise.all(unwanted.map((file) => stopRecorded(join(folder.records, file))))
  if (!wanted.has('postgres')) await (await adoptPostgres(folder.postgres))?.stop('fast')
}

/** Every cell of the host that is not named, stopped side by side. */
export async function sweepHost(stateDir: string, named: ReadonlySet<string>): Promise<void> {
  const cells = await readdir(join(stateDir, 'cells')).catch(() => [])
  const unnamed = cells.filter((cell) => !named.has(cell))
  await Promise.all(unnamed.map((cell) => sweepCell(cellFolder(stateDir, cell), new Set())))
}
