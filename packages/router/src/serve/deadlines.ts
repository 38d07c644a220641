/**
 * Time limits of many connections for the price of one timer: each has a deadline, and all are looked at a few times a
 * second. A limit is late by at most one round, which no limit here minds; a timer for each request would cost more than
 * the request's parsing.
 */
import { monotonicNow } from '../clock.ts'

export type Watched = {
  /** Ms on the clock of `Deadlines.now`; infinite when nothing is waited for. */
  deadline: number
  onDeadline(): void
  destroy(): void
}

export type Deadlines = {
  /** The time of the last round: precise enough to set a deadline from, and free. */
  readonly now: number
  watch(watched: Watched): void
  forget(watched: Watched): void
  stop(): void
}

const ROUND_MS = 50

/** `onDefect` hears what is thrown by a watched one, which is then destroyed; the others go on. */
export function startDeadlines(onDefect: (error: Error) => void): Deadlines {
  const all = new Set<Watched>()
  let now = monotonicNow()
  const expire = (watched: Watched) => {
    try {
      watched.onDeadline()
    } catch (error) {
      onDefect(error as Error)
      watched.destroy()
    }
  }
  const timer = setInterval(() => {
    now = monotonicNow()
    for (const watched of all) if (watched.deadline <= now) expire(watched)
  }, ROUND_MS)
  return {
    get now() {
      return now
    },
    watch: (watched) => all.add(watched),
    forget: (watched) => all.delete(watched),
    stop: () => clearInterval(timer),
  }
}
