/**
 * What of a fleet does not serve, for a person who waited for it: each cell or component with the reason that the
 * control plane has, and the last thing that it printed.
 */
import { createApiClient } from '@cellplane/client'
import { cellsOf, type FleetFile } from '@cellplane/contract/fleet-file'
import type { StateLayout } from '../fleet/state-layout.ts'
import type { UpRecord } from '../fleet/up-record.ts'
import { findLogFiles } from '../logs/log-files.ts'
import { createLogReader } from '../logs/read-logs.ts'
import { readSecret } from './keys.ts'
import { progressOf } from './serving.ts'

const STATUS_TIMEOUT_MS = 5_000

/** Cells whose last lines are shown: most often all fail for one reason. */
const CELLS_SHOWN_MAX = 3

/** Empty when everything serves. `record`: of the `up` that runs; undefined while it has not come so far. */
export async function whatIsMissing(
  record: UpRecord | undefined,
  fleet: FleetFile,
  layout: StateLayout,
): Promise<string[]> {
  const status = record && (await statusOf(record, layout))
  if (!record || !status) {
    const what = record ? 'the control plane does not answer' : 'the control plane has not been started'
    return [what, ...(await lastLines(layout, { component: record ? 'control' : 'up' }))]
  }
  const expected = {
    cells: cellsOf(fleet).map(({ id }) => id),
    routers: Object.keys(record.urls.routers).length,
  }
  const { missing } = progressOf(status, expected)
  const cells = expected.cells.filter((id) => missing.some((text) => text.startsWith(`${id} `)))
  const lines: string[] = []
  for (const cell of cells.slice(0, CELLS_SHOWN_MAX)) lines.push(...(await lastLines(layout, { cell })))
  return [...missing, ...lines]
}

async function statusOf(record: UpRecord, layout: StateLayout) {
  try {
    const client = createApiClient({ url: record.urls.control, token: await readSecret(layout.adminToken) })
    return await client.getStatus({}, { signal: AbortSignal.timeout(STATUS_TIMEOUT_MS) })
  } catch {
    return undefined
  }
}

/** The last line of each component; PostgreSQL's says nothing about a service that does not start. */
async function lastLines(
  layout: StateLayout,
  filter: { cell?: string; component?: string },
): Promise<string[]> {
  const files = (await findLogFiles(layout, filter)).filter(({ source }) => !source.endsWith('/postgres'))
  const ends = await Promise.all(
    files.map(async (file) => ({ file, line: (await createLogReader().tail([file])).at(-1) })),
  )
  return ends.map(({ file, line }) =>
    line ? `${file.source} printed last: ${line.text}` : `${file.source} has printed nothing`,
  )
}
