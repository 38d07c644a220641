/** Waiting on a condition, bounded: what tests do instead of sleeping. */

/** Loose: other suites share the machine. */
const WAIT_MAX_MS = 60_000
const POLL_MS = 10

type Nothing = undefined | null | false

/** Resolves with the first value that is not undefined, null or false. */
export async function until<T>(what: string, look: () => Promise<T | Nothing> | T | Nothing): Promise<T> {
  const deadline = performance.now() + WAIT_MAX_MS
  for (;;) {
    const value = await look()
    if (value !== undefined && value !== null && value !== false) return value
    if (performance.now() > deadline) throw new Error(`waited ${WAIT_MAX_MS} ms for ${what}, in vain`)
    await new Promise((resolve) => setTimeout(resolve, POLL_MS))
  }
}
