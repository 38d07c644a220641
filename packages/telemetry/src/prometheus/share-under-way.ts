/**
 * Of questions that are the same and under way one goes out, and all who ask have its answer: several people who open the
 * same report at once ask for the same days of a month.
 */
import type { Ask } from './ask.ts'

/** Bounded by what `ask` has under way and in line. */
export function shareUnderWay(ask: Ask): Ask {
  const underWay = new Map<string, ReturnType<Ask>>()
  return async (path, parameters) => {
    const key = `${path} ${new URLSearchParams(parameters)}`
    const known = underWay.get(key)
    if (known) return await known
    const asked = ask(path, parameters)
    underWay.set(key, asked)
    try {
      return await asked
    } finally {
      underWay.delete(key)
    }
  }
}
