/**
 * Which process a pid meant when it was written down.
 *
 * Pids are reused, and begin again after a reboot; a pid together with the process's start time and the boot does not
 * come back. On Linux the start time is read from /proc; elsewhere from `ps`.
 */
import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { readProcStat } from './proc-stat.ts'

export type ProcessIdentity = {
  pid: number
  /** Opaque: compared, not read. */
  startedAt: string
}

/** undefined when no such process lives; a zombie does not. */
export function identify(pid: number): ProcessIdentity | undefined {
  const startedAt = process.platform === 'linux' ? startFromProc(pid) : startFromPs(pid)
  return startedAt === undefined ? undefined : { pid, startedAt }
}

/** The identity in a JSON text; undefined when it holds none, since such files may be cut short by a crash. */
export function parseIdentity(text: string): ProcessIdentity | undefined {
  try {
    const { pid, startedAt } = JSON.parse(text) as Partial<ProcessIdentity>
    return typeof pid === 'number' && typeof startedAt === 'string' ? { pid, startedAt } : undefined
  } catch {
    return undefined
  }
}

export function isRunning(identity: ProcessIdentity): boolean {
  return identify(identity.pid)?.startedAt === identity.startedAt
}

/** A signal to somebody who may have ended meanwhile. A negative number is a process group. */
export function signalProcess(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error
  }
}

function startFromProc(pid: number): string | undefined {
  const stat = readProcStat(pid)
  return stat && `${bootId()}/${stat.startTicks}`
}

/** Changes with every boot, since start times are counted from it. */
function bootId(): string {
  return readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim()
}

function startFromPs(pid: number): string | undefined {
  try {
    const [state = '', ...start] = execFileSync('ps', ['-o', 'state=,lstart=', '-p', String(pid)], {
      encoding: 'utf8',
    })
      .trim()
      .split(/\s+/)
    return state.startsWith('Z') ? undefined : start.join(' ')
  } catch {
    return undefined
  }
}
