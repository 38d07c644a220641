/** A cell's credentials: from this host's own disk, so that a cell starts without the control plane, and refreshed when it can be. */
import { readFile } from 'node:fs/promises'
import { type CellCredentials, cellCredentialsSchema, parseWith } from '@cellplane/contract'
import { writeAtomically } from '@cellplane/host'
import type { ControlPlane } from '../control-plane.ts'

/** undefined when there are none, or the file is damaged: then they are fetched. */
export async function cachedCredentials(file: string, cell: string): Promise<CellCredentials | undefined> {
  try {
    const result = parseWith(cellCredentialsSchema, JSON.parse(await readFile(file, 'utf8')))
    return result.ok && result.value.cell === cell ? result.value : undefined
  } catch {
    return undefined
  }
}

/** Throws when the control plane cannot be asked. */
export async function fetchCredentials(
  controlPlane: ControlPlane,
  file: string,
  cell: string,
  signal: AbortSignal,
): Promise<CellCredentials> {
  const credentials = await controlPlane.getCredentials(cell, signal)
  if (credentials.cell !== cell) {
    throw new Error(`the control plane gave the credentials of ${credentials.cell} for ${cell}`)
  }
  await writeAtomically(file, `${JSON.stringify(credentials)}\n`)
  return credentials
}
