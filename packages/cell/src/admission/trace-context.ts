/**
 * W3C Trace Context, as far as a hop needs it: take the caller's trace, and name a new span of our own in it.
 *
 * A malformed header starts a new trace, as the recommendation asks (section 3.2.2.5): a bad trace must not fail a request.
 */
import { randomBytes } from 'node:crypto'

export type TraceContext = {
  /** 32 hexadecimal digits. */
  traceId: string
  /** 16 hexadecimal digits: this hop's own. */
  spanId: string
  /** The caller's span; undefined when the trace begins here. */
  parentSpanId: string | undefined
  isSampled: boolean
}

/** version-trace-parent-flags. Later versions may append fields, and only they. */
const TRACEPARENT = /^([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?$/

export function continueTrace(traceparent: string | undefined): TraceContext {
  const spanId = randomBytes(8).toString('hex')
  const [, version, traceId, parentSpanId, flags, rest] = TRACEPARENT.exec(traceparent ?? '') ?? []
  const isValid =
    version !== undefined &&
    version !== 'ff' &&
    !(version === '00' && rest !== undefined) &&
    !/^0+$/.test(traceId!) &&
    !/^0+$/.test(parentSpanId!)
  if (!isValid) {
    return { traceId: randomBytes(16).toString('hex'), spanId, parentSpanId: undefined, isSampled: false }
  }
  return { traceId: traceId!, spanId, parentSpanId, isSampled: (Number.parseInt(flags!, 16) & 1) === 1 }
}

/** The header for requests that this hop makes. */
export function formatTraceparent({ traceId, spanId, isSampled }: TraceContext): string {
  return `00-${traceId}-${spanId}-0${isSampled ? 1 : 0}`
}
