/**
 * The fleets that this user runs on this machine, so that `cellplane status` works from any folder while exactly one
 * runs. One small file a fleet, in a folder of the user's: two fleets that start at once do not overwrite each other.
 *
 * The list is a convenience. Where it cannot be kept (no home folder, a full disk), commands find the fleet by its file.
 */
import { createHash } from 'node:crypto'
import { mkdir, readdir, readFile, rm } from 'node:fs/promises'
import { homedir } from 'node:os'
import { isAbsolute, join } from 'node:path'
import { writeAtomically } from '@cellplane/host'
import { jsonText } from '../json-text.ts'
import { readUpRecord, type UpRecord } from './up-record.ts'

export async function rememberRunning(stateDir: string, folder = runningFolder()): Promise<void> {
  if (folder === undefined) return
  try {
    await mkdir(folder, { recursive: true, mode: 0o700 })
    await writeAtomically(entryFile(folder, stateDir), jsonText({ state_dir: stateDir }))
  } catch {
    // A convenience only: see above.
  }
}

export async function forgetRunning(stateDir: string, folder = runningFolder()): Promise<void> {
  if (folder !== undefined) await rm(entryFile(folder, stateDir), { force: true }).catch(() => {})
}

/** Entries whose `up` lives; the others are passed over: their `up` was killed. */
export async function listRunning(folder = runningFolder()): Promise<UpRecord[]> {
  if (folder === undefined) return []
  const names = await readdir(folder).catch(() => [])
  const records = await Promise.all(
    names.filter((name) => name.endsWith('.json')).map((name) => readEntry(join(folder, name))),
  )
  return records.filter((record) => record !== undefined)
}

/** Undefined without a home: no HOME, and no entry of the user's in /etc/passwd. */
export function runningFolder(env: NodeJS.ProcessEnv = process.env): string | undefined {
  const xdg = env['XDG_STATE_HOME']
  // The XDG specification has relative paths ignored.
  if (xdg && isAbsolute(xdg)) return join(xdg, 'cellplane', 'running')
  const home = env['HOME'] || homeOfUser()
  return home && isAbsolute(home) ? join(home, '.local', 'state', 'cellplane', 'running') : undefined
}

function homeOfUser(): string | undefined {
  try {
    return homedir()
  } catch {
    return undefined
  }
}

async function readEntry(file: string): Promise<UpRecord | undefined> {
  try {
    const { state_dir: stateDir } = JSON.parse(await readFile(file, 'utf8')) as { state_dir?: unknown }
    return typeof stateDir === 'string' ? await readUpRecord(stateDir) : undefined
  } catch {
    return undefined
  }
}

function entryFile(folder: string, stateDir: string): string {
  return join(folder, `${createHash('sha256').update(stateDir).digest('hex').slice(0, 16)}.json`)
}
