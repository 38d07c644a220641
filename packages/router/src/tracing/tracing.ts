/**
 * Which requests leave a span, and in whose trace.
 *
 * A trace that a client continues is kept or not as the client says; of those that begin here a set share is kept, told
 * by the trace's id, so that all hops agree. Whatever fails is kept in any case: that is known only at the end, so
 * every request is given an id of a span, and the decision falls when it is answered.
 *
 * Without a receiver there is no tracing: a client's context is passed on as it came, and none of this runs.
 */
import type { RouterConfig } from '../config.ts'
import { isFailure, type Span } from './otlp-json.ts'
import { type SpanExporter, startSpanExporter } from './span-exporter.ts'

export type Tracing = {
  /** Whether a trace that begins here is kept. `traceId` is 32 hexadecimal digits. */
  samples(traceId: string): boolean
  /** Takes a request's span, if it is one to keep. */
  record(span: Span, isSampled: boolean): void
  readonly exporter: SpanExporter
}

/** Of a trace id, the digits that decide: they are random also in ids that begin with a time. */
const DECIDING_DIGITS = 8
const DECISIONS = 16 ** DECIDING_DIGITS

/** Null when the configuration names no receiver. */
export function startTracing({ traces, fleet, router }: RouterConfig): Tracing | null {
  if (!traces) return null
  const exporter = startSpanExporter(traces.otlp_url, { fleet, router })
  const keptBelow = traces.sample_share * DECISIONS
  return {
    samples: (traceId) => Number.parseInt(traceId.slice(-DECIDING_DIGITS), 16) < keptBelow,
    record(span, isSampled) {
      if (isSampled || isFailure(span)) exporter.add(span)
    },
    exporter,
  }
}
