/** A loop that runs on a timer and when it is woken, never twice at once; wakes that come during a run are one more run. */
import { createBell } from '../bell.ts'

export type Loop = ReturnType<typeof startLoop>

export type LoopOptions = {
  intervalMs: number
  /** Must not reject: a failure of one run is for the run itself to tell. */
  run: () => Promise<void>
  /** Ends the loop, after the run that is under way. */
  signal: AbortSignal
}

export function startLoop({ intervalMs, run, signal }: LoopOptions) {
  const bell = createBell()
  let isWoken = false
  let waiters: (() => void)[] = []

  async function loop(): Promise<void> {
    while (!signal.aborted) {
      isWoken = false
      const served = waiters
      waiters = []
      await run()
      for (const resolve of served) resolve()
      if (!isWoken) await bell.wait(intervalMs, signal)
    }
    for (const resolve of waiters) resolve()
  }

  function wake(): void {
    isWoken = true
    bell.ring()
  }

  return {
    wake,
    /** Resolves after the next whole run that begins from now on, or when the loop has ended. */
    settle(): Promise<void> {
      if (signal.aborted) return Promise.resolve()
      return new Promise((resolve) => {
        waiters.push(resolve)
        wake()
      })
    },
    ended: loop(),
  }
}
