/**
 * Which certificate a name is served with. The names are written in the configuration, exact (`api.example.com`) or with
 * one free label (`*.example.com`), so the answer is the same for a name that comes by SNI and for one in a `host`.
 */

/** Index of the certificate for a lower-case name; 0 for every name that no other certificate was given. */
export type ServerNames = (name: string) => number

/** `lists[i]` has the names of certificate i; the first certificate serves what is in no list. */
export function compileServerNames(lists: readonly (readonly string[])[]): ServerNames {
  const exact = new Map<string, number>()
  /** By what follows the free label, with its dot. */
  const wildcards = new Map<string, number>()
  for (const [index, names] of lists.entries()) {
    for (const name of names) {
      if (name.startsWith('*.')) wildcards.set(name.slice(1), index)
      else exact.set(name, index)
    }
  }
  return (name) => {
    const found = exact.get(name)
    if (found !== undefined || wildcards.size === 0) return found ?? 0
    const dot = name.indexOf('.')
    return dot > 0 ? (wildcards.get(name.slice(dot)) ?? 0) : 0
  }
}

/** A `host` without its port, as names are compared. */
export function nameOfHost(host: string): string {
  return host.replace(/:\d*$/, '').toLowerCase()
}
