/**
 * The ids by which a request is found again in logs and traces, the client's where they are well formed, or new ones. A
 * request without either has one number for both.
 *
 * Random bytes are drawn for many requests at once: a call for each would cost more than parsing the request.
 */
import { randomBytes } from 'node:crypto'
import { isSaneRequestId, isTraceparent, type RequestHead } from '../http/request-head.ts'
import type { Tracing } from '../tracing/tracing.ts'

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

export type RequestIdentity = {
  requestId: string
  /** For the cell. With tracing, its parent is this router's span; without, it is the client's as it came. */
  traceparent: string
  tracestate: string | undefined
  /** The client's span; null when the trace begins here, and without tracing. */
  parentSpanId: string | null
  /** By the flag in `traceparent`. */
  isSampled: boolean
}

/** Where the fields of `00-<trace>-<span>-<flags>` begin. */
const TRACE_AT = 3
const SPAN_AT = 36
const FLAGS_AT = 53
const FLAG_SAMPLED = 1

export const traceIdOf = ({ traceparent }: RequestIdentity) =>
  traceparent.slice(TRACE_AT, TRACE_AT + TRACE_DIGITS)
export const spanIdOf = ({ traceparent }: RequestIdentity) =>
  traceparent.slice(SPAN_AT, SPAN_AT + SPAN_DIGITS)
/** `trace`: whether a client's trace is continued, or replaced by a new one. */
export function identityOf(
  head: RequestHead,
  trace: 'continue' | 'replace',
  tracing: Pick<Tracing, 'samples'> | null,
): RequestIdentity {
  const { requestId, traceparent, tracestate } = head
  const isContinued = trace === 'continue' && traceparent !== undefined && isTraceparent(traceparent)
  const newId = nextDigits(TRACE_DIGITS)
  const isSampled = isContinued ? hasSampledFlag(traceparent) : (tracing?.samples(newId) ?? true)
  return {
    requestId: requestId !== undefined && isSaneRequestId(requestId) ? requestId : newId,
    traceparent: isContinued ? continued(traceparent, tracing !== null) : begun(newId, isSampled),
    tracestate: isContinued ? tracestate : undefined,
    parentSpanId: isContinued && tracing ? traceparent.slice(SPAN_AT, SPAN_AT + SPAN_DIGITS) : null,
    isSampled,
  }
}

const hasSampledFlag = (traceparent: string): boolean =>
  (Number.parseInt(traceparent.slice(FLAGS_AT, FLAGS_AT + 2), 16) & FLAG_SAMPLED) !== 0

/** The same trace with the same flags, and a span of our own in the place of the client's. */
function continued(traceparent: string, hasSpan: boolean): string {
  if (!hasSpan) return traceparent
  const trace = traceparent.slice(TRACE_AT, TRACE_AT + TRACE_DIGITS)
  return `00-${trace}-${nextDigits(SPAN_DIGITS)}-${traceparent.slice(FLAGS_AT, FLAGS_AT + 2)}`
}

function begun(traceId: string, isSampled: boolean): string {
  return `00-${traceId}-${nextDigits(SPAN_DIGITS)}-0${isSampled ? FLAG_SAMPLED : 0}`
}
