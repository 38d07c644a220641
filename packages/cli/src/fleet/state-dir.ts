/**
 * Where a fleet keeps its state: `.cellplane/<fleet>` beside its file, so that it is found, moved and deleted with it.
 *
 * Started by root, PostgreSQL and the cells run as users of their own, who must be able to enter every folder above
 * their data. Where they cannot (a clone in /root), the state goes to /var/lib/cellplane instead.
 */
import { createHash } from 'node:crypto'
import { chmod, mkdir, readdir, stat } from 'node:fs/promises'
import { dirname, join, resolve } from 'node:path'
import { Failure } from '../failure.ts'
import { stateLayout } from './state-layout.ts'

const SHARED_STATE = '/var/lib/cellplane'

/** Execute for others, stat(2): entering a folder, without listing it. */
const OTHERS_ENTER = 0o001
const PASSABLE = 0o711
const PRIVATE = 0o700
const READABLE = 0o755

export const isRoot = (): boolean => process.getuid?.() === 0

/** `--state`, or the default for this file and fleet. Absolute; it need not exist. */
export async function stateDirFor(
  { flag, fleetFile, fleet }: { flag: string | undefined; fleetFile: string; fleet: string },
  asRoot = isRoot(),
): Promise<string> {
  if (flag !== undefined) return resolve(flag)
  const beside = join(dirname(fleetFile), '.cellplane', fleet)
  if (!asRoot || (await closedFolderAbove(beside)) === undefined) return beside
  const place = createHash('sha256').update(fleetFile).digest('hex').slice(0, 8)
  return join(SHARED_STATE, `${fleet}-${place}`)
}

/** Makes the folders with the modes that keep secrets in and let the cells' users through. Safe to run again. */
export async function prepareStateDir(stateDir: string, asRoot = isRoot()): Promise<void> {
  await refuseForeignFolder(stateDir)
  const layout = stateLayout(stateDir)
  const outer = asRoot ? PASSABLE : PRIVATE
  try {
    await makeFolder(stateDir, outer)
    for (const folder of [layout.control, dirname(layout.host), layout.host, layout.cells]) {
      await makeFolder(folder, outer)
    }
    for (const folder of [layout.keys, layout.config, layout.run, layout.logs, layout.published]) {
      await makeFolder(folder, PRIVATE)
    }
    await makeFolder(layout.public, READABLE)
  } catch (cause) {
    const { code, path } = cause as NodeJS.ErrnoException
    throw new Failure(
      'STATE_UNWRITABLE',
      `the state directory ${stateDir} cannot be made: ${code} at ${path}; choose another with --state DIR`,
      { cause },
    )
  }
  const closed = asRoot ? await closedFolderAbove(stateDir) : undefined
  if (closed === undefined) return
  throw new Failure(
    'STATE_CLOSED',
    `the state directory ${stateDir} cannot be used by root: the cells' own users cannot enter ${closed}; run chmod o+x ${closed}, or choose another with --state DIR`,
  )
}

/** The first folder above `path` (or itself, when it exists) that not everybody may enter. */
async function closedFolderAbove(path: string): Promise<string | undefined> {
  for (let folder = path; ; folder = dirname(folder)) {
    const found = await stat(folder).catch(() => undefined)
    if (found?.isDirectory() && (found.mode & OTHERS_ENTER) === 0) return folder
    if (folder === dirname(folder)) return undefined
  }
}

/** With exactly this mode, and so the folders above that had to be made: mkdir's own passes through the umask. */
async function makeFolder(path: string, mode: number): Promise<void> {
  const firstMade = await mkdir(path, { recursive: true, mode })
  await chmod(path, mode)
  if (firstMade === undefined) return
  for (let folder = path; folder !== firstMade; ) {
    folder = dirname(folder)
    await chmod(folder, mode)
  }
}

/** A folder with somebody else's files in it must not get our modes: `--state /tmp` would close /tmp. */
async function refuseForeignFolder(stateDir: string): Promise<void> {
  const names = await readdir(stateDir).catch((): string[] => [])
  if (names.length === 0 || names.includes('keys')) return
  throw new Failure(
    'STATE_FOREIGN',
    `${stateDir} is no state directory: it has files, but no keys/; choose an empty or absent folder with --state DIR`,
  )
}
