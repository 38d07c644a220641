/** Waiting on a condition, bounded: what tests do instead of sleeping. */

const POLL_MS = 25

/** Resolves with the first value that is not undefined or false; fails after `timeoutMs` and says for what it waited. */
export async function waitFor<T>(
  what: string,
  timeoutMs: number,
  look: () => Promise<T | undefined | false> | T | undefined | false,
): Promise<T> {
  const deadline = performance.now() + timeoutMs
  let last: unknown
  for (;;) {
    try {
      const value = await look()
      if (value !== undefined && value !== false) return value
    } catch (error) {
      last = error
    }
    if (performance.now() > deadline) {
      throw new Error(
        `waited ${timeoutMs} ms for ${what}, in vain`,
        last === undefined ? {} : { cause: last },
      )
    }
    await new Promise((resolve) => setTimeout(resolve, POLL_MS))
  }
}
