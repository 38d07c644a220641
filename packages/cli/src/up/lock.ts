/**
 * One `up` for one state directory. The lock is a file that names its owner; it counts for as long as that very process
 * lives, so a lock that a killed `up` left behind is in nobody's way.
 *
 * The file is made complete and then linked to its name, which only one process can do. Replacing a stale one takes two
 * steps, to look and to replace; so whoever does it first links a second name, the guard, and looks again. Without the
 * guard, somebody slow could take a new owner's lock for the stale one that it had read.
 */
import { randomBytes } from 'node:crypto'
import { link, readFile, rm, writeFile } from 'node:fs/promises'
import { identify, isRunning, type ProcessIdentity, writeAtomically } from '@cellplane/host'
import { Failure } from '../failure.ts'
import { pause } from '../pause.ts'

export type Lock = { release(): Promise<void> }

/** A takeover takes a few milliseconds; one that has not ended after a second was cut short. */
const TRIES_MAX = 40
const RETRY_MS = 25

export async function acquireLock(file: string): Promise<Lock> {
  const own = identify(process.pid)
  const content = JSON.stringify(own)
  for (let tries = 0; tries < TRIES_MAX; tries++) {
    if (await linkNew(file, content)) return locked(file)
    const found = await readText(file)
    const owner = found === undefined ? undefined : parseIdentity(found)
    if (owner && isRunning(owner)) {
      throw new Failure(
        'ALREADY_RUNNING',
        `\`cellplane up\` runs on this state directory already (pid ${owner.pid}); see \`cellplane status\`, stop it with \`cellplane down\`, or start a second one with --state DIR and other ports`,
      )
    }
    if (found !== undefined && (await replaceStale(file, found, content))) return locked(file)
    await pause(RETRY_MS)
  }
  throw new Failure(
    'LOCK_FAILED',
    `the lock ${file} could not be taken in ${TRIES_MAX} tries; remove it and ${guardOf(file)} if no \`cellplane up\` runs`,
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

/** True when the stale lock was still there, and is ours now. Whoever finds the guard taken tries again later. */
async function replaceStale(file: string, stale: string, content: string): Promise<boolean> {
  const guard = guardOf(file)
  if (!(await linkNew(guard, content))) return false
  try {
    if ((await readText(file)) !== stale) return false
    await writeAtomically(file, content)
    return true
  } finally {
    await rm(guard, { force: true })
  }
}

const guardOf = (file: string): string => `${file}.takeover`

const locked = (file: string): Lock => ({ release: () => rm(file, { force: true }) })

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
