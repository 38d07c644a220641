/**
 * `cellplane down`: stops a fleet of this machine from another terminal, and ends what one left whose `up` was killed.
 */

import { isRunning, type ProcessIdentity, signalProcess } from '@cellplane/host'
import { Failure } from '../failure.ts'
import { forgetRunning } from '../fleet/running.ts'
import { type StateLayout, stateLayout } from '../fleet/state-layout.ts'
import { removeUpRecord } from '../fleet/up-record.ts'
import { pause } from '../pause.ts'
import { endCells, endPlanes, hasRunningCells } from './leftovers.ts'
import { acquireLock, lockOwner } from './lock.ts'

/** Every step of a stop in order is bounded; sixteen cells under load take some 20 s together. */
const STOP_MAX_MS = 180_000
/** From the second signal, which kills, to the end. */
const FORCED_STOP_MAX_MS = 30_000
/** `up` takes two signals within a second for one. */
const BETWEEN_SIGNALS_MS = 1_200
const LOOK_EVERY_MS = 50

export type DownResult = { state_dir: string; was: 'running' | 'left behind' | 'not running' }

export async function down(stateDir: string, isForced: boolean): Promise<DownResult> {
  const layout = stateLayout(stateDir)
  const owner = await lockOwner(layout.lock)
  if (owner) {
    await stopUp(owner, isForced)
    return { state_dir: stateDir, was: 'running' }
  }
  return {
    state_dir: stateDir,
    was: (await clearLeftovers(layout, isForced)) ? 'left behind' : 'not running',
  }
}

async function stopUp(owner: ProcessIdentity, isForced: boolean): Promise<void> {
  signalProcess(owner.pid, 'SIGTERM')
  if (isForced && !(await isGoneWithin(owner, BETWEEN_SIGNALS_MS))) signalProcess(owner.pid, 'SIGTERM')
  const maxMs = isForced ? FORCED_STOP_MAX_MS : STOP_MAX_MS
  if (await isGoneWithin(owner, maxMs)) return
  const remedy = isForced
    ? `end it with kill -9 ${owner.pid} and run \`cellplane down\` again`
    : 'try --force'
  throw new Failure(
    'STOP_FAILED',
    `\`cellplane up\` (pid ${owner.pid}) did not stop within ${maxMs / 1000} s; ${remedy}`,
  )
}

async function isGoneWithin(owner: ProcessIdentity, ms: number): Promise<boolean> {
  const deadline = performance.now() + ms
  while (isRunning(owner)) {
    if (performance.now() > deadline) return false
    await pause(LOOK_EVERY_MS)
  }
  return true
}

/** True when there was something. Under the lock, so that no `up` starts among it. */
async function clearLeftovers(layout: StateLayout, isForced: boolean): Promise<boolean> {
  const lock = await acquireLock(layout.lock).catch((error: NodeJS.ErrnoException) => {
    // No state directory: nothing ever ran here.
    if (error.code === 'ENOENT') return undefined
    throw error
  })
  if (!lock) return false
  try {
    const hadPlanes = await endPlanes(layout, !isForced)
    const hadCells = await hasRunningCells(layout)
    await endCells(layout, !isForced)
    return hadPlanes || hadCells
  } finally {
    await removeUpRecord(layout.stateDir)
    await forgetRunning(layout.stateDir)
    await lock.release()
  }
}
