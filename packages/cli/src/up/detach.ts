/**
 * `cellplane up --detach`: the same `up` in a session of its own, with its output in logs/up.log. This process shows that
 * output until the fleet serves, and ends. A Ctrl-C until then stops the start.
 *
 * A service that never starts would keep us waiting, so the wait has a limit. Beyond it this process ends with what is
 * missing, and the fleet goes on trying: what it is about can be looked at, and a service that was only slow comes up.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { open } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'
import { problem } from '@cellplane/contract'
import { Failure } from '../failure.ts'
import { requireFleetFile } from '../fleet/fleet-file.ts'
import { prepareStateDir, stateDirFor } from '../fleet/state-dir.ts'
import { type StateLayout, stateLayout } from '../fleet/state-layout.ts'
import { readUpRecord, type UpRecord } from '../fleet/up-record.ts'
import { pause } from '../pause.ts'
import { lockOwner } from './lock.ts'
import { whatIsMissing } from './missing.ts'
import { applyFlags, type UpFlags } from './options.ts'

const CLI = fileURLToPath(new URL('../../bin/cellplane.js', import.meta.url))
const LOOK_EVERY_MS = 100

/** A fleet of 16 serves after about 45 s on two cores; four times as long is not slow any more. `--timeout` says otherwise. */
export const DETACH_TIMEOUT_MS = 180_000

/** Resolves when the fleet serves. `args` are the command line's, without --detach; `show` gets the output as it comes. */
export async function upDetached(
  flags: UpFlags,
  args: readonly string[],
  show: (text: string) => void,
  timeoutMs = DETACH_TIMEOUT_MS,
): Promise<UpRecord> {
  const read = await requireFleetFile(flags.fleet)
  const fleet = applyFlags(read, flags)
  const stateDir = await stateDirFor({ flag: flags.state, fleetFile: read.path, fleet: fleet.fleet })
  await prepareStateDir(stateDir)
  const layout = stateLayout(stateDir)
  const owner = await lockOwner(layout.lock)
  if (owner) {
    throw new Failure(
      'ALREADY_RUNNING',
      `the fleet runs already (pid ${owner.pid}); see \`cellplane status\`, or stop it with \`cellplane down\``,
    )
  }
  const deadline = performance.now() + timeoutMs
  // It will hold a token for the example command.
  const log = await open(layout.logOf('up'), 'a+', 0o600)
  try {
    let shown = (await log.stat()).size
    const child = spawn(process.execPath, [CLI, ...args], {
      detached: true,
      stdio: ['ignore', log.fd, log.fd],
    })
    const ended = endOf(child)
    const interrupt = () => child.kill('SIGTERM')
    process.on('SIGINT', interrupt).on('SIGTERM', interrupt)
    const showMore = async () => {
      const { size } = await log.stat()
      if (size <= shown) return
      const { buffer, bytesRead } = await log.read(Buffer.alloc(size - shown), 0, size - shown, shown)
      shown += bytesRead
      show(buffer.toString('utf8', 0, bytesRead))
    }
    try {
      for (;;) {
        const record = await readUpRecord(stateDir)
        await showMore()
        const isSettled = record?.phase === 'serving' && record.pid === child.pid
        if (isSettled || performance.now() > deadline) {
          child.unref()
          const missing = await whatIsMissing(record, fleet, layout)
          if (isSettled && missing.length === 0) return record
          throw notServing(missing, isSettled ? undefined : timeoutMs, layout)
        }
        const end = await Promise.race([ended, pause(LOOK_EVERY_MS)])
        if (end !== undefined) {
          await showMore()
          throw new Failure('START_FAILED', `the fleet did not start (${end}); see ${layout.logOf('up')}`)
        }
      }
    } finally {
      process.off('SIGINT', interrupt).off('SIGTERM', interrupt)
    }
  } finally {
    await log.close()
  }
}

function notServing(missing: readonly string[], timeoutMs: number | undefined, layout: StateLayout): Failure {
  const when = timeoutMs === undefined ? 'The start ended' : `${timeoutMs / 1000} s have passed (--timeout)`
  const message = `${when}, and not all of the fleet serves; it goes on trying: see \`cellplane status\` and ${layout.logOf('up')}, or stop it with \`cellplane down\``
  const problems = missing.map((text) => problem('NOT_SERVING', '', text))
  return new Failure('NOT_SERVING', message, { problems })
}

function endOf(child: ChildProcess): Promise<string> {
  return new Promise((resolve) => {
    child.once('error', (error) => resolve(error.message))
    child.once('exit', (code, signal) => resolve(signal ?? `exit status ${code}`))
  })
}
