/** Runs a lifecycle target once, to its end: `build`, `bootstrap`. Its output goes to the component's log. */
import { launchProcess, type ProcessSpec } from '../process/kept-process.ts'
import { pause } from '../wake.ts'

/** A migration over a large table takes minutes; one that waits for a lock for ever must not hold the cell for ever. */
export const TARGET_TIMEOUT_MS = 10 * 60_000

/** Throws when it cannot be started, fails, takes too long, or is aborted. `what` names it: `bootstrap of cell-001/api`. */
export async function runTarget(what: string, spec: ProcessSpec, signal: AbortSignal): Promise<void> {
  const running = await launchProcess(spec)
  const waiting = new AbortController()
  const timeUp = pause(TARGET_TIMEOUT_MS, AbortSignal.any([signal, waiting.signal])).then(() => ({
    isSuccess: false,
    how: signal.aborted
      ? 'was stopped'
      : `did not end within ${TARGET_TIMEOUT_MS / 60_000} minutes; see ${spec.logFile}`,
  }))
  const { isSuccess, how } = await Promise.race([running.ended, timeUp])
  waiting.abort()
  await running.stop()
  if (!isSuccess) throw new Error(`${what} ${how}`)
}
