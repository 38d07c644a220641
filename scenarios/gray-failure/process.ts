/**
 * A process of the scenario: forked with an IPC channel, to which its life is bound, so that none outlives the command
 * however that ends.
 *
 * Started by root, it goes before others: a stalled caller sends what is due in one burst, and such a burst can topple a
 * loaded service without any fault.
 */
import { fork } from 'node:child_process'
import { existsSync, writeFileSync } from 'node:fs'
import { setPriority } from 'node:os'
import { fileURLToPath } from 'node:url'
import { waitFor } from '@cellplane/testing'

export type ScenarioProcess = {
  /** Sends a message and resolves with the next one that comes back. One at a time. */
  ask<T>(message: object): Promise<T>
  /** Waits for a line of its output. */
  untilOutput(pattern: RegExp): Promise<RegExpExecArray>
  stop(): Promise<void>
}

const START_TIMEOUT_MS = 20_000
/** Of its output, which is looked at when it starts and when it fails. */
const OUTPUT_CHARACTERS_MAX = 20_000
const HIGHEST_PRIORITY = -20

/** `env`: beside this process's own. */
export function startProcess(
  main: URL,
  args: readonly string[],
  env: Record<string, string> = {},
): ScenarioProcess {
  const child = fork(fileURLToPath(main), args, {
    env: { ...process.env, ...env },
    stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
    // A session of its own, hence a scheduling group of its own. Ctrl-C reaches it through the channel.
    detached: true,
  })
  if (child.pid !== undefined && process.getuid?.() === 0) putFirst(child.pid)
  let output = ''
  for (const stream of [child.stdout!, child.stderr!]) {
    stream.setEncoding('utf8').on('data', (chunk: string) => {
      output = (output + chunk).slice(-OUTPUT_CHARACTERS_MAX)
    })
  }
  const ended = new Promise<void>((resolve) => child.once('exit', () => resolve()))
  const isOver = () => child.exitCode !== null || child.signalCode !== null
  const failure = () => new Error(`${main.pathname} ended before it was told to:\n${output}`)

  return {
    ask: <T>(message: object) =>
      new Promise<T>((resolve, reject) => {
        const onExit = () => reject(failure())
        child.once('exit', onExit)
        child.once('message', (answer) => {
          child.off('exit', onExit)
          resolve(answer as T)
        })
        child.send(message, (error) => error && reject(failure()))
      }),
    async untilOutput(pattern) {
      const found = await waitFor(`${main.pathname} to print ${pattern}`, START_TIMEOUT_MS, () =>
        isOver() ? 'over' : (pattern.exec(output) ?? undefined),
      )
      if (found === 'over') throw failure()
      return found
    },
    async stop() {
      if (isOver()) return
      child.kill('SIGKILL')
      await ended
    },
  }
}

/** Where the kernel groups processes by session, a priority counts inside a group, and the group has one of its own. */
function putFirst(pid: number): void {
  setPriority(pid, HIGHEST_PRIORITY)
  const group = `/proc/${pid}/autogroup`
  if (existsSync(group)) writeFileSync(group, String(HIGHEST_PRIORITY))
}
