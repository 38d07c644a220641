/**
 * One `up` for one state directory. The lock is a file that names its owner; it counts for as long as that very process
 * lives, so a lock that a killed `up` left behind is in nobody's way.
 *
 * The file is made complete and then linked to its name, which only one process can do.
 */
import { randomBytes } from 'node:crypto'
import { link, readFile, rename, rm, writeFile } from 'node:fs/promises'
import { identify, isRunning, type ProcessIdentity } from '@cellplane/host'
import { Failure } from '../failure.ts'

export type Lock = { release(): Promise<void> }

/** Each try loses only to somebody who wins; three in a row is a file system that does not work. */
const TRIES_MAX = 5

export async function acquireLock(file: string): Promise<Lock> {
  const own = identify(process.pid)
  const content = JSON.stringify(own)
  for (let tries = 0; tries < TRIES_MAX; tries++) {
    if (await linkNew(file, content)) return { release: () => rm(file, { force: true }) }
    const found = await readText(file)
    const owner = found === undefined ? undefined : parseIdentity(found)
    if (owner && isRunning(owner)) {
      throw new Failure(
        'ALREADY_RUNNING',
        `\`cellplane up\` runs on this state directory already (pid ${owner.pid}); see \`cellplane status\`, stop it with \`cellplane down\`, or start a second one with --state DIR and other ports`,
      )
    }
    if (found !== undefined) await removeStale(file, found)
  }
  throw new Failure(
    'LOCK_FAILED',
    `the lock ${file} could not be taken in ${TRIES_MAX} tries; remove it if no \`cellplane up\` runs`,
  )
}

/** The process that holds the lock and lives. */
export async function lockOwner(file: string): Promise<ProcessIdentity | undefined> {
  const text = await readText(file)
  const owner = text === undefined ? undefined : parseIdentity(text)
  return owner && isRunning(owner) ? owner : undefined
}

async function linkNew(file: string, content: string): Promise<boolean> {
  const partial = `${file}.${randomBytes(4).toString('hex')}`
  await writeFile(partial, content, { mode: 0o600, flag: 'wx' })
  try {
    await link(partial, file)
    return true
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false
    throw error
  } finally {
    await rm(partial, { force: true })
  }
}

/** Takes the file away, unless somebody has replaced it since it was read: then it is put back. */
async function removeStale(file: string, expected: string): Promise<void> {
  const aside = `${file}.${randomBytes(4).toString('hex')}`
  try {
    await rename(file, aside)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return
    throw error
  }
  if ((await readText(aside)) !== expected) await link(aside, file).catch(() => {})
  await rm(aside, { force: true })
}

async function readText(file: string): Promise<string | undefined> {
  return await readFile(file, 'utf8').catch(() => undefined)
}

function parseIdentity(text: string): ProcessIdentity | undefined {
  try {
    const { pid, startedAt } = JSON.parse(text) as Partial<ProcessIdentity>
    return typeof pid === 'number' && typeof startedAt === 'string' ? { pid, startedAt } : undefined
  } catch {
    return undefined
  }
}
