/**
 * The cell's declared queue depth, as a ceiling: beyond it new work is refused, because a cell that accepts what it cannot deliver
 * only moves its failure to later. The depth is counted at most once a second, beside the requests and never before one.
 */
import type { Database } from '../store/database.ts'
import { countUnfinished } from '../store/queue.ts'

export type Load = {
  /** Whether the queue is at its ceiling, as of the last count. */
  isFull(): boolean
  depth(): number
}

const COUNT_INTERVAL_MS = 1000
/** Without a declared ceiling this is how far the depth is counted, and nothing is refused. */
const COUNT_MAX = 100_000

export function watchLoad(
  database: Database,
  ceiling: number | undefined,
  onError: (error: unknown) => void,
): Load {
  let depth = 0
  let countedAt = Number.NEGATIVE_INFINITY

  function countIfDue(): void {
    const now = performance.now()
    if (now - countedAt < COUNT_INTERVAL_MS) return
    countedAt = now
    countUnfinished(database, ceiling ?? COUNT_MAX).then((count) => {
      depth = count
    }, onError)
  }

  return {
    isFull() {
      countIfDue()
      return ceiling !== undefined && depth >= ceiling
    },
    depth() {
      countIfDue()
      return depth
    },
  }
}
