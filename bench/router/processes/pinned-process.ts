/**
 * Starts a process on one core, which ends when the bench does, however that ends: `setpriv --pdeathsig` has the kernel
 * send it SIGTERM when its parent is gone. Both tools are of util-linux; each replaces itself with the next, so that
 * the pid is the process's own.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { closeSync, existsSync, openSync, readFileSync, writeFileSync } from 'node:fs'
import { processTree, signalAll, waitFor } from '@cellplane/testing'

export type PinnedProcess = {
  readonly child: ChildProcess
  readonly pid: number
  /** It and its descendants, as they are now. */
  pids(): number[]
  /** What it printed so far. */
  output(): string
  /** Waits for a line of its output; fails when the process ends before it. */
  untilOutput(pattern: RegExp): Promise<RegExpExecArray>
  untilListening(port: number): Promise<void>
  /** At once: there is nothing to save, and an orderly stop would wait for connections. */
  stop(): Promise<void>
}

export type StartOptions = {
  core: number
  /** Where its output goes: a file costs a proxy that logs less than a pipe that is read slowly. */
  outputFile: string
  hasChannel?: boolean
  env?: Record<string, string>
}

const START_TIMEOUT_MS = 20_000

export function startPinned(command: readonly string[], options: StartOptions): PinnedProcess {
  const file = openSync(options.outputFile, 'a')
  const pinned = ['taskset', '--cpu-list', String(options.core), ...command]
  const wrapped = ['--pdeathsig', 'TERM', ...(isPrivileged() ? ['nice', '-n', '-20'] : []), ...pinned]
  const child = spawn('setpriv', wrapped, {
    stdio: ['ignore', file, file, ...(options.hasChannel ? (['ipc'] as const) : [])],
    env: { ...process.env, ...options.env },
    // A session of its own, hence a scheduling group of its own. Ctrl-C reaches it through the bench.
    detached: true,
  })
  closeSync(file)
  if (child.pid === undefined) throw new Error('setpriv could not be started; it is part of util-linux')
  const { pid } = child
  if (isPrivileged()) putFirst(pid)
  const ended = new Promise<void>((resolve) => child.once('exit', () => resolve()))
  const output = () => readFileSync(options.outputFile, 'utf8')
  const isOver = () => child.exitCode !== null || child.signalCode !== null
  const untilAlive = <T>(what: string, look: () => Promise<T | undefined | false> | T | undefined | false) =>
    waitFor(`${command[0]} to ${what}`, START_TIMEOUT_MS, async () => (isOver() ? 'over' : look())).then(
      (found) => {
        if (found === 'over') throw new Error(`${command.join(' ')} ended at its start:\n${output()}`)
        return found as T
      },
    )

  return {
    child,
    pid,
    pids: () => processTree(pid),
    output,
    untilOutput: (pattern) => untilAlive(`print ${pattern}`, () => pattern.exec(output()) ?? undefined),
    untilListening: (port) => untilAlive(`listen on ${port}`, () => isListening(port)).then(() => {}),
    async stop() {
      if (isOver()) return
      signalAll(processTree(pid), 'SIGKILL')
      await ended
    },
  }
}

/** Root's processes of the bench go before everything else on their core, so that a shared machine disturbs them less. */
function isPrivileged(): boolean {
  return process.getuid?.() === 0
}

/** Where the kernel groups processes by session, `nice` counts inside a group, and the group has a figure of its own. */
function putFirst(pid: number): void {
  const file = `/proc/${pid}/autogroup`
  if (existsSync(file)) writeFileSync(file, '-20')
}

/** By the kernel's table (state 0A), so that no contestant is sent a connection that is no client's. */
function isListening(port: number): boolean {
  const wanted = `:${port.toString(16).toUpperCase().padStart(4, '0')} 00000000:0000 0A`
  return readFileSync('/proc/net/tcp', 'latin1').includes(wanted)
}
