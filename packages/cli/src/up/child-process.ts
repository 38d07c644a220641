/** A child process as the supervisor wants it: its end in words, and a stop that is bounded. */
import { type ChildProcess, spawn } from 'node:child_process'
import { open } from 'node:fs/promises'
import { signalProcess } from '@cellplane/host'
import { pause } from '../pause.ts'
import type { Launched, ProcessEnd } from './supervise.ts'

/** Our processes exit with this when their configuration is not valid. */
const EXIT_CONFIG = 2
/** From SIGKILL until a process is gone. */
const KILL_MAX_MS = 5_000

export type ChildSpec = {
  argv: readonly [string, ...string[]]
  directory: string
  env: Readonly<Record<string, string>>
  /** Its output is appended here. */
  logFile: string
  /** With a channel that closes when we die. Node programs only. */
  hasChannel: boolean
  /** From SIGTERM to SIGKILL. */
  stopTimeoutMs: number
}

/** Starts it as the leader of a process group, so that a Ctrl-C in our terminal reaches us alone and a stop all of it. */
export async function startChild(spec: ChildSpec): Promise<Launched> {
  const log = await open(spec.logFile, 'a', 0o640)
  try {
    const [program, ...args] = spec.argv
    const child = spawn(program, args, {
      cwd: spec.directory,
      env: spec.env,
      detached: true,
      stdio: ['ignore', log.fd, log.fd, ...(spec.hasChannel ? (['ipc'] as const) : [])],
    })
    const ended = endOf(child, spec.logFile)
    const pid = await pidOf(child, spec)
    return {
      pid,
      ended,
      kill: () => signalProcess(-pid, 'SIGKILL'),
      async stop() {
        signalProcess(-pid, 'SIGTERM')
        if (!(await endsWithin(ended, spec.stopTimeoutMs))) signalProcess(-pid, 'SIGKILL')
        await endsWithin(ended, KILL_MAX_MS)
        // What it started may have outlived it.
        signalProcess(-pid, 'SIGKILL')
      },
    }
  } finally {
    await log.close()
  }
}

/** True when it ended in time. */
export async function endsWithin(ended: Promise<unknown>, ms: number): Promise<boolean> {
  const over = new AbortController()
  const isEnded = await Promise.race([ended.then(() => true), pause(ms, over.signal).then(() => false)])
  over.abort()
  return isEnded
}

function endOf(child: ChildProcess, logFile: string): Promise<ProcessEnd> {
  return new Promise((resolve) => {
    child.once('exit', (code, signal) => {
      // What a shell or npm started may outlive it, and would keep its port from the next one.
      signalProcess(-child.pid!, 'SIGKILL')
      resolve({
        how: `${signal === null ? `exited with code ${code}` : `was ended by ${signal}`}; see ${logFile}`,
        isHopeless: code === EXIT_CONFIG,
      })
    })
  })
}

function pidOf(child: ChildProcess, { argv, directory }: ChildSpec): Promise<number> {
  return new Promise((resolve, reject) => {
    child.once('spawn', () => resolve(child.pid!))
    child.once('error', (cause) =>
      reject(new Error(`"${argv[0]}" cannot be started in ${directory}: ${cause.message}`, { cause })),
    )
  })
}
