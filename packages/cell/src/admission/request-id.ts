/** The id by which a caller, a router and a cell speak of one request. */
import { randomUUID } from 'node:crypto'

/** It lands in logs and answers, so only what is harmless there is taken over. */
const HARMLESS = /^[A-Za-z0-9._:/+=-]{1,128}$/

/** The caller's id when it is harmless, else a new one. */
export function requestIdOf(value: string | undefined): string {
  return value !== undefined && HARMLESS.test(value) ? value : randomUUID()
}
