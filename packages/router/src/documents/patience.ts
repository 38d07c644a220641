/**
 * How long a pass waits for what may take minutes: a large base, an object store that hardly answers. It goes on without, and
 * what is late comes beside the passes after it, so that news of health waits for neither.
 */
import { setTimeout as delay } from 'node:timers/promises'

/** As long as anybody waits for a pass. What is small and near is there in milliseconds. */
const PATIENCE_MS = 1_000

/** Whether it is still under way after that, or when `signal` aborts. It must not reject. */
export async function isLate(underWay: Promise<unknown>, signal: AbortSignal): Promise<boolean> {
  const waited = new AbortController()
  const patience = delay(PATIENCE_MS, true, { signal: AbortSignal.any([signal, waited.signal]) })
  const late = await Promise.race([underWay.then(() => false), patience.catch(() => true)])
  waited.abort()
  return late
}
