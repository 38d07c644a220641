/**
 * Spans as OTLP/HTTP wants them in JSON (OpenTelemetry protocol 1.x, "JSON Protobuf Encoding": ids in hexadecimal digits,
 * 64-bit numbers as text). Written by hand: the protocol is this, and its libraries are larger than the router. Pure.
 */

export type Span = {
  /** 32 and 16 hexadecimal digits. */
  traceId: string
  spanId: string
  /** The caller's; null when the trace begins here. */
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

/** Of OTLP's enumerations. */
const SPAN_KIND_SERVER = 2
const STATUS_CODE_ERROR = 2

const NS_PER_MS = 1_000_000n

export type TracedRouter = { fleet: string; router: string }

export function otlpJson({ fleet, router }: TracedRouter, spans: readonly Span[]): string {
  return JSON.stringify({
    resourceSpans: [
      {
        resource: {
          attributes: attributes({
            'service.name': 'cellplane-router',
            'service.instance.id': router,
            'cellplane.fleet': fleet,
          }),
        },
        scopeSpans: [{ scope: { name: 'cellplane.router' }, spans: spans.map(spanJson) }],
      },
    ],
  })
}

function spanJson(span: Span): object {
  const { parentSpanId, method, status, isCut } = span
  return {
    traceId: span.traceId,
    spanId: span.spanId,
    ...(parentSpanId === null ? {} : { parentSpanId }),
    // A router knows no route's pattern, and a path would make a name of each of them.
    name: method,
    kind: SPAN_KIND_SERVER,
    startTimeUnixNano: nanoseconds(span.startedAt),
    endTimeUnixNano: nanoseconds(span.endedAt),
    attributes: attributes({
      'http.request.method': method,
      'url.path': span.path,
      'http.response.status_code': status,
      ...(isFailure(span) ? { 'error.type': isCut ? 'cut' : String(status) } : {}),
      ...(span.cell === null ? {} : { 'cellplane.cell': span.cell }),
      ...(span.tenant === null ? {} : { 'cellplane.tenant': span.tenant }),
    }),
    ...(isFailure(span) ? { status: { code: STATUS_CODE_ERROR } } : {}),
  }
}

export function isFailure({ status, isCut }: Pick<Span, 'status' | 'isCut'>): boolean {
  return isCut || status >= 500
}

function attributes(values: Record<string, string | number>): object[] {
  return Object.entries(values).map(([key, value]) => ({
    key,
    value: typeof value === 'number' ? { intValue: String(value) } : { stringValue: value },
  }))
}

/** A double has no room for the nanoseconds of a time since 1970; microseconds are as fine as the clock is. */
function nanoseconds(ms: number): string {
  const whole = Math.floor(ms)
  return String(BigInt(whole) * NS_PER_MS + BigInt(Math.round((ms - whole) * 1000)) * 1000n)
}
