/** The operating system's order to stop, as an AbortSignal that crosses every await of a service. */

/** Aborts on the first SIGTERM or SIGINT. A second one ends the process at once, because nothing listens to it any more. */
export function stopOnSignals(): AbortSignal {
  const controller = new AbortController()
  const onSignal = (name: NodeJS.Signals) => {
    process.off('SIGTERM', onSignal)
    process.off('SIGINT', onSignal)
    controller.abort(new Error(`stopped by ${name}`))
  }
  process.on('SIGTERM', onSignal)
  process.on('SIGINT', onSignal)
  return controller.signal
}
