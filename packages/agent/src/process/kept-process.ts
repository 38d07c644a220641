/**
 * A long-running process that outlives the agent: launched by this agent, or adopted from the one before.
 *
 * Its pid, start time and a fingerprint of how it was started are written to a record file. An agent that comes back
 * adopts a recorded process that still runs, if it was started as it would be now, and otherwise ends what is left
 * of it. A process leads a process group of its own, and stopping means the whole group and every stray of it.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { createHash } from 'node:crypto'
import { readFile, rm } from 'node:fs/promises'
import { identify, isRunning, type ProcessIdentity, parseIdentity, writeAtomically } from '@cellplane/host'
import type { OsUser } from '@cellplane/postgres'
import type { Logger } from 'pino'
import { openLog } from './log-files.ts'
import { signalGroup, signalProcess } from './signal.ts'
import { type EnvironmentMark, findStrays } from './strays.ts'

/** How a process ended, in words for a report. An adopted one is never known to have succeeded. */
export type ProcessEnd = { isSuccess: boolean; how: string }

/** Something that runs, and how it ends. */
export type KeptProcess = {
  pid: number
  /** Resolves when its first process has ended; never rejects. */
  ended: Promise<ProcessEnd>
  /** Resolves when nothing of it is left. Bounded. Safe to call when it has ended. */
  stop(): Promise<void>
}

export type ProcessSpec = {
  argv: readonly string[]
  directory: string
  env: Readonly<Record<string, string>>
  mark: EnvironmentMark
  osUser: OsUser | undefined
  logFile: string
  recordFile: string
  log: Logger
  /** From SIGTERM to SIGKILL. */
  stopTimeoutMs: number
}

/** What it takes to stop a process; the rest of how it was started is only a fingerprint. */
type StopSpec = Pick<ProcessSpec, 'mark' | 'recordFile' | 'stopTimeoutMs'>
type ProcessRecord = ProcessIdentity & { fingerprint: string; stopTimeoutMs: number }

/** How often an adopted process, which is nobody's child any more, and a stopping group are looked at. */
const LOOK_EVERY_MS = 100
/** From SIGKILL until a process is gone; only an uninterruptible disk wait takes longer than a moment. */
const KILL_MAX_MS = 5_000

/**
 * Ends what an earlier life left, then starts. Throws when the program cannot be started, or when `check`, which runs
 * between the two, throws: only then is a port that is still taken somebody else's.
 */
export async function launchProcess(spec: ProcessSpec, check?: () => Promise<void>): Promise<KeptProcess> {
  await killStrays(spec.mark)
  await check?.()
  const log = await openLog(spec.logFile)
  try {
    const [program, ...args] = spec.argv
    const child = spawn(program!, args, {
      ...spec.osUser,
      cwd: spec.directory,
      env: spec.env,
      detached: true,
      stdio: ['ignore', log.fd, log.fd],
    })
    const ended = endOfChild(child, spec)
    const pid = await pidOf(child, spec)
    const identity = identify(pid)
    // Only for the next agent, which also finds processes by their environment: a full disk is no reason not to run.
    if (identity) {
      await writeRecord(spec, identity).catch((error) =>
        spec.log.warn({ err: error, file: spec.recordFile }, 'a process runs unrecorded'),
      )
    }
    return { pid, ended, stop: () => stopProcess(spec, pid) }
  } finally {
    await log.close()
  }
}

/** The recorded process, if it still runs and was started as `spec` says; otherwise ends what is left of it. */
export async function adoptProcess(spec: ProcessSpec): Promise<KeptProcess | undefined> {
  const record = await readRecord(spec.recordFile)
  if (record === undefined || !isRunning(record)) return undefined
  if (record.fingerprint !== fingerprintOf(spec)) {
    await stopProcess(spec, record.pid)
    return undefined
  }
  return { pid: record.pid, ended: endOfAdopted(record), stop: () => stopProcess(spec, record.pid) }
}

/** Whether an agent before this one left the process running. */
export async function isRecordedRunning(recordFile: string): Promise<boolean> {
  const record = await readRecord(recordFile)
  return record !== undefined && isRunning(record)
}

/** Stops what a record names, if it still runs: a process of an agent before this one that nobody wants any more. */
export async function stopRecorded(recordFile: string, mark: EnvironmentMark): Promise<void> {
  const record = await readRecord(recordFile)
  const isLeft = record !== undefined && isRunning(record)
  if (isLeft) await stopProcess({ mark, recordFile, stopTimeoutMs: record.stopTimeoutMs }, record.pid)
  else await rm(recordFile, { force: true })
}

/** SIGKILLs every process that carries the mark, and waits until it is gone. */
export async function killStrays(mark: EnvironmentMark): Promise<void> {
  await killLeftovers({ mark })
}

/** What must be the same for a running process to be taken over. A hash, because the environment holds secrets. */
export function fingerprintOf({ argv, directory, env, osUser }: ProcessSpec): string {
  const text = JSON.stringify([argv, directory, Object.entries(env).sort(), osUser ?? null])
  return createHash('sha256').update(text).digest('hex')
}

async function stopProcess(spec: StopSpec, leader: number): Promise<void> {
  signalGroup(leader, 'SIGTERM')
  for (const { pid, group } of findStrays(spec.mark)) {
    // Once each: to many programs a second SIGTERM means "do not finish, end".
    if (group !== leader) signalProcess(pid, 'SIGTERM')
  }
  const deadline = performance.now() + spec.stopTimeoutMs
  while (performance.now() < deadline && leftOf(spec, leader).length > 0) await look()
  await killLeftovers(spec, leader)
  await rm(spec.recordFile, { force: true })
}

/** SIGKILLs what is left of the group and every stray, and waits until they are gone. */
async function killLeftovers(spec: Pick<StopSpec, 'mark'>, leader?: number): Promise<void> {
  const deadline = performance.now() + KILL_MAX_MS
  if (leader !== undefined) signalGroup(leader, 'SIGKILL')
  for (let left = leftOf(spec, leader); left.length > 0; left = leftOf(spec, leader)) {
    if (performance.now() > deadline) {
      throw new Error(
        `processes ${left.join(', ')} did not end ${KILL_MAX_MS} ms after SIGKILL; the disk may hang`,
      )
    }
    for (const pid of left) signalProcess(pid, 'SIGKILL')
    await look()
  }
}

/** While the leader lives nobody else is looked for: a look through all processes costs milliseconds. */
function leftOf(spec: Pick<StopSpec, 'mark'>, leader: number | undefined): number[] {
  if (leader !== undefined && identify(leader)) return [leader]
  return findStrays(spec.mark).map(({ pid }) => pid)
}

function pidOf(child: ChildProcess, { argv, directory }: ProcessSpec): Promise<number> {
  return new Promise((resolve, reject) => {
    child.once('spawn', () => resolve(child.pid!))
    child.once('error', (cause) =>
      reject(
        new Error(
          `"${argv[0]}" cannot be started in ${directory}: ${cause.message}; check that the program and the folder exist`,
          { cause },
        ),
      ),
    )
  })
}

function endOfChild(child: ChildProcess, { logFile }: ProcessSpec): Promise<ProcessEnd> {
  return new Promise((resolve) =>
    child.once('exit', (code, signal) =>
      resolve({ isSuccess: code === 0, how: `${describeExit(code, signal)}; see ${logFile}` }),
    ),
  )
}

async function endOfAdopted(identity: ProcessIdentity): Promise<ProcessEnd> {
  while (isRunning(identity)) await look()
  return { isSuccess: false, how: describeExit(null, null) }
}

/** Both null: the exit status went to the agent that started the process, which is gone. */
export function describeExit(code: number | null, signal: NodeJS.Signals | null): string {
  if (signal !== null) return `was ended by ${signal}`
  return code === null ? 'ended, its exit status unknown' : `exited with code ${code}`
}

/** undefined when absent or cut short: then strays are found by their environment. */
async function readRecord(file: string): Promise<ProcessRecord | undefined> {
  const text = await readFile(file, 'utf8').catch(() => '')
  const identity = parseIdentity(text)
  if (!identity) return undefined
  const { fingerprint, stopTimeoutMs } = JSON.parse(text) as Partial<ProcessRecord>
  if (typeof fingerprint !== 'string' || typeof stopTimeoutMs !== 'number') return undefined
  return { ...identity, fingerprint, stopTimeoutMs }
}

async function writeRecord(spec: ProcessSpec, identity: ProcessIdentity): Promise<void> {
  const { stopTimeoutMs, recordFile } = spec
  const record: ProcessRecord = { ...identity, fingerprint: fingerprintOf(spec), stopTimeoutMs }
  await writeAtomically(recordFile, `${JSON.stringify(record)}\n`)
}

const look = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, LOOK_EVERY_MS))
