/**
 * The two clocks of every loop here: woken by a signal, or by a timer. A signal that comes while the loop works is
 * kept, so that none is lost; several are one. One loop waits on one Wake.
 */
export class Wake {
  #isSet = false
  #ring: (() => void) | undefined

  set(): void {
    this.#isSet = true
    this.#ring?.()
  }

  /** Resolves on a signal, after `maxMs`, or when `signal` aborts. Does not reject. */
  async wait(maxMs: number, signal: AbortSignal): Promise<void> {
    if (!this.#isSet && !signal.aborted) {
      const { promise, resolve } = Promise.withResolvers<void>()
      const ring = () => resolve()
      this.#ring = ring
      const timer = setTimeout(ring, maxMs)
      signal.addEventListener('abort', ring, { once: true })
      await promise
      signal.removeEventListener('abort', ring)
      clearTimeout(timer)
      this.#ring = undefined
    }
    this.#isSet = false
  }
}

/** Resolves after `ms`, or at once when `signal` aborts. Does not reject: who waits looks at the signal anyway. */
export async function pause(ms: number, signal: AbortSignal): Promise<void> {
  await new Wake().wait(ms, signal)
}
