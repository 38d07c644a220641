/** A span, as who makes one says it. */

export type Attributes = Readonly<Record<string, string | number | boolean | undefined>>

export type SpanKind = 'internal' | 'server' | 'client' | 'producer' | 'consumer'

export type Span = {
  /** 32 and 16 hexadecimal digits. */
  traceId: string
  spanId: string
  /** Null when the trace begins here. */
  parentSpanId: string | null
  /** Few different ones: a route's pattern, never a path. */
  name: string
  kind: SpanKind
  /** Ms since the epoch, with fractions. */
  startedAt: number
  endedAt: number
  /** By OpenTelemetry's conventions where it has one. Undefined ones are left out. */
  attributes: Attributes
  isFailure: boolean
}
