/**
 * A bell: one rings, whoever waits wakes. Carries nothing, so that a ring that was missed is only a wait that ends by
 * its timeout; what changed is read where it is kept.
 */
export type Bell = ReturnType<typeof createBell>

export function createBell() {
  let ringing = Promise.withResolvers<void>()
  return {
    ring(): void {
      ringing.resolve()
      ringing = Promise.withResolvers()
    },
    /** Resolves at the next ring, after `timeoutMs`, or when the signal aborts; whichever comes first. Never rejects. */
    wait(timeoutMs: number, signal?: AbortSignal): Promise<void> {
      if (signal?.aborted) return Promise.resolve()
      const { promise, resolve } = Promise.withResolvers<void>()
      const timer = setTimeout(resolve, timeoutMs)
      const onAbort = () => resolve()
      signal?.addEventListener('abort', onAbort, { once: true })
      void ringing.promise.then(resolve)
      return promise.finally(() => {
        clearTimeout(timer)
        signal?.removeEventListener('abort', onAbort)
      })
    },
  }
}
