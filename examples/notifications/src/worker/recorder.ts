/**
 * Writes outcomes down in groups: while one group is being written the next one gathers. So a slow disk makes groups larger rather
 * than the queue of writers longer, and an idle cell still writes each outcome at once.
 *
 * A group that cannot be written is given up: its leases run out, and its notifications are delivered again under the same
 * delivery key. Keeping it would mean a queue in memory, of what the store already has.
 */
import type { Outcome } from '../store/queue.ts'

export type Recorder = {
  /** Resolves when the outcome is written or given up. */
  record(outcome: Outcome): Promise<void>
}

export function createRecorder(
  write: (outcomes: readonly Outcome[]) => Promise<void>,
  onError: (error: unknown, count: number) => void,
): Recorder {
  let gathering: Outcome[] = []
  let writing: Promise<void> = Promise.resolve()
  let next: Promise<void> | undefined

  async function writeGathered(): Promise<void> {
    next = undefined
    const group = gathering
    gathering = []
    await write(group).catch((error) => onError(error, group.length))
  }

  return {
    record(outcome) {
      gathering.push(outcome)
      if (!next) {
        next = writing.then(writeGathered)
        writing = next
      }
      return next
    },
  }
}
