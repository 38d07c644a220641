/**
 * The ids by which a request is found again in logs and traces, the client's where they are well formed, or new ones. A
 * request without either has one number for both.
 *
 * Random bytes are drawn for many requests at once: a call for each would cost more than parsing the request.
 */
import { randomBytes } from 'node:crypto'
import { isSaneRequestId, isTraceparent, type RequestHead } from '../http/request-head.ts'

const IDS_AT_ONCE = 256
/** A trace id and a span id, in hexadecimal digits. */
const TRACE_DIGITS = 32
const SPAN_DIGITS = 16

let digits = ''
let at = 0

function nextDigits(count: number): string {
  if (at + count > digits.length) {
    digits = randomBytes((IDS_AT_ONCE * (TRACE_DIGITS + SPAN_DIGITS)) / 2).toString('hex')
    at = 0
  }
  at += count
  return digits.slice(at - count, at)
}

export function newRequestId(): string {
  return nextDigits(TRACE_DIGITS)
}

export type RequestIdentity = { requestId: string; traceparent: string; tracestate: string | undefined }

/** `trace`: whether a client's trace is continued, or replaced by a new one. */
export function identityOf(head: RequestHead, trace: 'continue' | 'replace'): RequestIdentity {
  const { requestId, traceparent, tracestate } = head
  const isContinued = trace === 'continue' && traceparent !== undefined && isTraceparent(traceparent)
  const newId = nextDigits(TRACE_DIGITS)
  return {
    requestId: requestId !== undefined && isSaneRequestId(requestId) ? requestId : newId,
    traceparent: isContinued ? traceparent : `00-${newId}-${nextDigits(SPAN_DIGITS)}-01`,
    tracestate: isContinued ? tracestate : undefined,
  }
}
