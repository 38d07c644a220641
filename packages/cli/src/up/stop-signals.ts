/**
 * Being told to stop: Ctrl-C, SIGTERM, a closed terminal, or the end of the process that started us.
 *
 * Once means in order; once more means at once. npm passes a Ctrl-C on that its child has had from the terminal already,
 * so that two within a second are one.
 */

const SAME_PRESS_MS = 1_000

export type StopSignals = {
  /** Aborted by the first. */
  stopping: AbortSignal
  /** Aborted by the second. */
  forcing: AbortSignal
  /** Gives the signals back to Node. */
  release(): void
}

const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const

export function catchStopSignals(now: () => number = () => performance.now()): StopSignals {
  const stopping = new AbortController()
  const forcing = new AbortController()
  let firstAt = 0
  const onSignal = () => {
    if (!stopping.signal.aborted) {
      firstAt = now()
      stopping.abort(new Error('told to stop'))
    } else if (now() - firstAt > SAME_PRESS_MS) forcing.abort(new Error('told twice to stop'))
  }
  const onParentGone = () => {
    if (!stopping.signal.aborted) onSignal()
  }
  for (const signal of SIGNALS) process.on(signal, onSignal)
  process.on('disconnect', onParentGone)
  return {
    stopping: stopping.signal,
    forcing: forcing.signal,
    release() {
      for (const signal of SIGNALS) process.off(signal, onSignal)
      process.off('disconnect', onParentGone)
    },
  }
}
