/**
 * One loop that runs a pass again and again: when the interval is over, or as soon as somebody has news. Passes never
 * overlap, and however much news there is, they keep a distance.
 *
 *     passing ──(done)──▶ spacing ──(nothing new)──▶ waiting ──(interval is over, or news)──▶ passing
 *                            └────────(news meanwhile)────────────────────────────────────────▶
 */
import { setTimeout as delay } from 'node:timers/promises'

export type PassLoop = {
  /** Asks for a pass soon, and does not wait. */
  wake(): void
  /**
   * Resolves when a pass that began after this call has ended, after a second at most. Within a second of the last
   * pass it resolves at once: many that ask together cause one pass a second, not one each.
   */
  refresh(): Promise<void>
  /** Resolves when the loop has ended, which it does when `signal` aborts. */
  readonly ended: Promise<void>
}

/** A server gone mad with news costs ten passes a second. */
const SPACING_MS = 100
const REFRESH_SPACING_MS = 1_000
const REFRESH_WAIT_MS = 1_000

/** Intervals are drawn from 0.9 to 1.1 of `intervalMs`, so that processes that started together drift apart. `pass` never rejects. */
export function startPassLoop(pass: () => Promise<void>, intervalMs: number, signal: AbortSignal): PassLoop {
  let isWoken = false
  let endWait = () => {}
  let waiters: (() => void)[] = []
  let passEndedAt = Number.NEGATIVE_INFINITY

  async function run(): Promise<void> {
    while (!signal.aborted) {
      isWoken = false
      const served = waiters
      waiters = []
      await pass()
      passEndedAt = performance.now()
      for (const tell of served) tell()
      await pause(SPACING_MS, signal)
      if (!isWoken) await waitForNews(intervalMs * (0.9 + Math.random() / 5))
    }
    for (const tell of waiters) tell()
  }

  async function waitForNews(ms: number): Promise<void> {
    const news = new AbortController()
    endWait = () => news.abort()
    await pause(ms, AbortSignal.any([news.signal, signal]))
  }

  function wake(): void {
    isWoken = true
    endWait()
  }

  return {
    wake,
    refresh() {
      const isRecent = performance.now() - passEndedAt < REFRESH_SPACING_MS
      if (isRecent || signal.aborted) return Promise.resolve()
      const passEnded = new Promise<void>((resolve) => waiters.push(resolve))
      wake()
      return Promise.race([passEnded, pause(REFRESH_WAIT_MS, signal)])
    },
    ended: run(),
  }
}

/** Ends early, and without an error, when `signal` aborts. */
const pause = (ms: number, signal: AbortSignal) => delay(ms, undefined, { signal }).catch(() => {})
