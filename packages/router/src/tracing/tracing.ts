/**
 * Which requests leave a span, and in whose trace.
 *
 * A trace that a client continues is kept or not as the client says; of those that begin here a set share is kept, told
 * by the trace's id, so that all hops agree. Whatever fails is kept in any case: that is known only at the end, so
 * every request is given an id of a span, and the decision falls when it is answered.
 *
 * Without a receiver there is no tracing: a client's context is passed on as it came, and none of this runs. What sends
 * spans is loaded only with one.
 */
import type { Span, SpanExporter } from '@cellplane/tracing'
import type { RouterConfig } from '../config.ts'

export type Tracing = {
  /** Whether a trace that begins here is kept. `traceId` is 32 hexadecimal digits. */
  samples(traceId: string): boolean
  /** Takes the span of a request that is sampled, or failed. */
  record(request: RequestSpan): void
  readonly exporter: SpanExporter
}

/** What the serving path knows of a request that has ended. */
export type RequestSpan = {
  traceId: string
  spanId: string
  /** The client's; null when the trace begins here. */
  parentSpanId: string | null
  /** Ms since the epoch, with fractions. */
  startedAt: number
  endedAt: number
  method: string
  /** Without the query, which may hold what is nobody's business. */
  path: string
  status: number
  /** Ended without a whole answer. */
  isCut: boolean
  /** Null while not known. */
  tenant: string | null
  cell: string | null
}

/** A span here is at most 2 kB, of the longest paths, so both are 4 MB to 8 MB. Failures are fewer and worth more. */
const FAILURES_WAITING_MAX = 1_024
const OTHERS_WAITING_MAX = 3_072
/** Of a trace id, the digits that decide: they are random also in ids that begin with a time. */
const DECIDING_DIGITS = 8
const DECISIONS = 16 ** DECIDING_DIGITS

/** Compared as text, since numbers are read from digits for a tenth of a µs each. Exported for its test. */
export function createSampler(share: number): (traceId: string) => boolean {
  const keptBelow = Math.round(share * DECISIONS)
  if (keptBelow >= DECISIONS) return () => true
  const digits = keptBelow.toString(16).padStart(DECIDING_DIGITS, '0')
  return (traceId) => traceId.slice(-DECIDING_DIGITS) < digits
}

/** Null when the configuration names no receiver. */
export async function startTracing({ traces, fleet, router }: RouterConfig): Promise<Tracing | null> {
  if (!traces) return null
  const { startSpanExporter } = await import('@cellplane/tracing')
  const exporter = startSpanExporter({
    url: traces.otlp_url,
    resource: {
      'service.name': 'cellplane-router',
      'service.instance.id': router,
      'cellplane.fleet': fleet,
    },
    scope: 'cellplane.router',
    failuresWaitingMax: FAILURES_WAITING_MAX,
    othersWaitingMax: OTHERS_WAITING_MAX,
  })
  return {
    samples: createSampler(traces.sample_share),
    record: (request) => exporter.add(spanOf(request)),
    exporter,
  }
}

export const isFailure = (status: number, isCut: boolean): boolean => isCut || status >= 500

export function spanOf(request: RequestSpan): Span {
  const { traceId, spanId, parentSpanId, startedAt, endedAt, method, status, isCut } = request
  const isFailed = isFailure(status, isCut)
  return {
    traceId,
    spanId,
    parentSpanId,
    startedAt,
    endedAt,
    // A router knows no route's pattern, and a path would make a name of each of them.
    name: method,
    kind: 'server',
    isFailure: isFailed,
    attributes: {
      'http.request.method': method,
      'url.path': request.path,
      'http.response.status_code': status,
      'error.type': isFailed ? (isCut ? 'cut' : String(status)) : undefined,
      'cellplane.cell': request.cell ?? undefined,
      'cellplane.tenant': request.tenant ?? undefined,
    },
  }
}
