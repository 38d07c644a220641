/**
 * How a component is asked whether it is healthy: over HTTP where it has a path, else with its `health` target, else
 * by connecting to its port; and a component with none of these is healthy while it runs.
 */
import { spawn } from 'node:child_process'
import { connect } from 'node:net'
import type { ProcessSpec } from '../process/kept-process.ts'
import { openLog } from '../process/log-files.ts'
import { signalGroup } from '../process/signal.ts'

export type HealthCheck = { everyMs: number; check(signal: AbortSignal): Promise<string | undefined> }

/** Twice the probe of the control plane: on a busy machine slow is not dead, and a restart would only add load. */
const PROBE_TIMEOUT_MS = 2_000
const PROBE_EVERY_MS = 1_000
/** A command is a process of its own: dearer, so rarer. */
const COMMAND_TIMEOUT_MS = 10_000
const COMMAND_EVERY_MS = 5_000

export function httpCheck(url: string): HealthCheck {
  return {
    everyMs: PROBE_EVERY_MS,
    async check(signal) {
      try {
        const response = await fetch(url, {
          signal: AbortSignal.any([signal, AbortSignal.timeout(PROBE_TIMEOUT_MS)]),
          redirect: 'manual',
        })
        await response.body?.cancel()
        return response.ok ? undefined : `${url} answers ${response.status}; expected 2xx`
      } catch (error) {
        const { message, cause } = error as Error & { cause?: Error }
        return `${url} does not answer: ${cause?.message || message}`
      }
    },
  }
}

export function connectCheck(host: string, port: number): HealthCheck {
  return {
    everyMs: PROBE_EVERY_MS,
    check: (signal) =>
      new Promise((resolve) => {
        const socket = connect({ host, port, signal })
        const finish = (why: string | undefined) => {
          socket.destroy()
          resolve(why)
        }
        socket.setTimeout(PROBE_TIMEOUT_MS, () =>
          finish(`${host}:${port} does not accept within ${PROBE_TIMEOUT_MS} ms`),
        )
        socket.once('connect', () => finish(undefined))
        socket.once('error', (error) => finish(`nothing listens on ${host}:${port} yet: ${error.message}`))
      }),
  }
}

/** Exit status 0 is healthy. What it writes to standard error goes to the component's log. */
export function commandCheck(spec: ProcessSpec): HealthCheck {
  return {
    everyMs: COMMAND_EVERY_MS,
    async check(signal) {
      const log = await openLog(spec.logFile)
      try {
        const code = await exitCodeOf(
          spec,
          log.fd,
          AbortSignal.any([signal, AbortSignal.timeout(COMMAND_TIMEOUT_MS)]),
        )
        return code === 0 ? undefined : `the health target exited with ${code}; see ${spec.logFile}`
      } catch (error) {
        return `the health target failed: ${(error as Error).message}`
      } finally {
        await log.close()
      }
    },
  }
}

/** Kills the whole group when `signal` aborts: a shell's child would otherwise outlive the check. */
function exitCodeOf(spec: ProcessSpec, stderr: number, signal: AbortSignal): Promise<number> {
  const [program, ...args] = spec.argv
  return new Promise((resolve, reject) => {
    const child = spawn(program!, args, {
      ...spec.osUser,
      cwd: spec.directory,
      env: spec.env,
      detached: true,
      stdio: ['ignore', 'ignore', stderr],
    })
    const kill = () => {
      if (child.pid !== undefined) signalGroup(child.pid, 'SIGKILL')
    }
    signal.addEventListener('abort', kill, { once: true })
    // It may have been aborted while the log was opened, and says so only once.
    if (signal.aborted) kill()
    child.once('error', reject)
    child.once('exit', (code) => {
      signal.removeEventListener('abort', kill)
      if (code === null) reject(new Error(`it did not end within ${COMMAND_TIMEOUT_MS} ms`))
      else resolve(code)
    })
  })
}

export const aliveCheck: HealthCheck = { everyMs: PROBE_EVERY_MS, check: async () => undefined }
