/**
 * One line for one in so many requests, and for those that the router or a cell failed, up to so many a second: enough to
 * see what goes through, at a cost that does not grow with an outage.
 */
import type { Cell } from '../cells/cell.ts'
import type { Tenant } from '../decision/tenants.ts'
import type { RequestHead } from '../http/request-head.ts'
import type { Logger } from '../log.ts'
import { type RequestIdentity, traceIdOf } from './request-identity.ts'

export type AccessEntry = {
  identity: RequestIdentity
  head: Pick<RequestHead, 'method' | 'path'>
  /** Null when the request was answered before that was known. */
  tenant: Tenant | null
  cell: Cell | null
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
    write({ identity, head: { method, path }, tenant, cell, status, durationMs }) {
      log.info('request', {
        request_id: identity.requestId,
        trace_id: traceIdOf(identity),
        tenant_id: tenant?.isTenant ? tenant.key : '',
        cell: cell?.id ?? '',
        release: cell?.release ?? '',
        method,
        path,
        status,
        duration_ms: Math.round(durationMs * 1000) / 1000,
      })
    },
  }
}
