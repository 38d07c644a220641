/** Takes away what is past its retention, a batch at a time, with a pause after each, so that deliveries are not held up. */

export type PurgeParts = {
  /** Deletes one batch; how many rows went. */
  purgeBatch: () => Promise<number>
  intervalMs: number
  pause: (ms: number, signal: AbortSignal) => Promise<void>
  onPurged: (rows: number) => void
  onError: (error: unknown) => void
}

/** Between two batches, when one did not suffice: a batch takes some 10 ms, so the disk is ours for a tenth of the time. */
const BATCH_PAUSE_MS = 100
/** One round never becomes endless: what is left waits for the next. */
const BATCHES_MAX = 100

/** Runs until the signal aborts. Never rejects. */
export async function runPurges(parts: PurgeParts, stop: AbortSignal): Promise<void> {
  while (!stop.aborted) {
    try {
      const rows = await purgeRound(parts, stop)
      if (rows > 0) parts.onPurged(rows)
    } catch (error) {
      parts.onError(error)
    }
    await parts.pause(parts.intervalMs, stop)
  }
}

async function purgeRound({ purgeBatch, pause }: PurgeParts, stop: AbortSignal): Promise<number> {
  let total = 0
  for (let batch = 0; batch < BATCHES_MAX && !stop.aborted; batch++) {
    const rows = await purgeBatch()
    if (rows === 0) break
    total += rows
    await pause(BATCH_PAUSE_MS, stop)
  }
  return total
}
