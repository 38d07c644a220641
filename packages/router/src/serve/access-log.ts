/**
 * One line for one in so many requests, and for those that the router or a cell failed, up to so many a second: enough to
 * see what goes through, at a cost that does not grow with an outage.
 */
import type { Logger } from '../log.ts'

export type AccessEntry = {
  requestId: string
  traceparent: string
  tenant: string
  cell: string
  method: string
  path: string
  status: number
  durationMs: number
}

export type AccessLog = {
  /** Whether this request is one to be logged. Counts it. `now` in ms. */
  wants(status: number, now: number): boolean
  write(entry: AccessEntry): void
}

/** Beyond this an outage would log itself to death. */
const FAILURES_LOGGED_PER_SECOND_MAX = 10

/** `everyNth`: 0 logs failures only. */
export function createAccessLog(log: Logger, everyNth: number): AccessLog {
  let untilNext = everyNth
  let second = 0
  let failuresLogged = 0

  function isFailureWanted(now: number): boolean {
    const current = Math.floor(now / 1000)
    if (current !== second) {
      second = current
      failuresLogged = 0
    }
    return failuresLogged++ < FAILURES_LOGGED_PER_SECOND_MAX
  }

  return {
    wants(status, now) {
      if (everyNth > 0 && --untilNext <= 0) {
        untilNext = everyNth
        return true
      }
      return status >= 500 && isFailureWanted(now)
    },
    write({ requestId, traceparent, tenant, cell, method, path, status, durationMs }) {
      log.info('request', {
        request_id: requestId,
        trace_id: traceparent.slice(3, 35),
        tenant_id: tenant,
        cell,
        method,
        path,
        status,
        duration_ms: Math.round(durationMs * 1000) / 1000,
      })
    },
  }
}
