/** Which files a fleet's output is in: the planes' in logs/, each cell's in its own folder. */
import { readdir } from 'node:fs/promises'
import { basename, join } from 'node:path'
import type { StateLayout } from '../fleet/state-layout.ts'

export type LogFile = {
  /** `cell-001/api`, `control`. */
  source: string
  path: string
}

export type LogFilter = { cell?: string | undefined; component?: string | undefined }

/** Sorted by source. A filter that names a cell leaves the planes out. Rotated files are not followed. */
export async function findLogFiles(layout: StateLayout, filter: LogFilter): Promise<LogFile[]> {
  const planes =
    filter.cell === undefined ? (await logsIn(layout.logs)).map((name) => ({ name, cell: undefined })) : []
  const cells = (await namesIn(layout.cells)).filter(
    (cell) => filter.cell === undefined || cell === filter.cell,
  )
  const inCells = await Promise.all(
    cells.map(async (cell) =>
      (await logsIn(join(layout.cells, cell, 'logs'))).map((name) => ({ name, cell })),
    ),
  )
  return [...planes, ...inCells.flat()]
    .filter(({ name }) => filter.component === undefined || name === filter.component)
    .map(({ name, cell }) =>
      cell === undefined
        ? { source: name, path: layout.logOf(name) }
        : { source: `${cell}/${name}`, path: join(layout.cells, cell, 'logs', `${name}.log`) },
    )
    .sort((a, b) => (a.source < b.source ? -1 : 1))
}

async function logsIn(folder: string): Promise<string[]> {
  return (await namesIn(folder)).filter((name) => name.endsWith('.log')).map((name) => basename(name, '.log'))
}

async function namesIn(folder: string): Promise<string[]> {
  return (await readdir(folder).catch(() => [])).sort()
}
