/** Makes a failing text small: takes out what is not needed, first in large pieces, then byte by byte. */

/** Far more than a text of a few kilobytes takes. */
const TRIES_MAX = 5_000

export function shrink(text: string, fails: (text: string) => boolean): string {
  let smallest = text
  let tries = 0
  for (let size = Math.ceil(text.length / 2); size >= 1; size = size === 1 ? 0 : Math.ceil(size / 2)) {
    for (let at = 0; at < smallest.length && tries < TRIES_MAX; ) {
      const smaller = smallest.slice(0, at) + smallest.slice(at + size)
      tries++
      if (fails(smaller)) smallest = smaller
      else at += size
    }
  }
  return smallest
}
