/**
 * Failures of this process or its machine while a connection to a cell is opened: no descriptor, no port, no memory is
 * left. They say nothing about the cell, and the next cell would be reached no better. So they are not held against the
 * cell, nothing is tried a second time, and the caller is told that it was the router. Connections that stand go on.
 */
export const LOCAL_FAILURES = ['EMFILE', 'ENFILE', 'ENOBUFS', 'ENOMEM', 'EADDRNOTAVAIL'] as const
export type LocalFailure = (typeof LOCAL_FAILURES)[number]

const codes: ReadonlySet<string | undefined> = new Set(LOCAL_FAILURES)

/** Null for a failure that the cell, or the way to it, may be the cause of. */
export function localFailureOf(error: NodeJS.ErrnoException): LocalFailure | null {
  // A host with several addresses: one that was tried and refused was reached.
  if (error instanceof AggregateError && !error.errors.every(({ code }) => codes.has(code))) return null
  return codes.has(error.code) ? (error.code as LocalFailure) : null
}
