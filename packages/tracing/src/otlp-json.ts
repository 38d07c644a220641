/**
 * Spans as OTLP/HTTP wants them in JSON (OpenTelemetry protocol 1.x, "JSON Protobuf Encoding": ids in hexadecimal digits,
 * 64-bit numbers as text). Written by hand: the protocol is this, and its libraries are larger than the router. Pure.
 */
import type { Attributes, Span, SpanKind } from './span.ts'

/** Who made the spans: OpenTelemetry's resource (`service.name`, …), and the part of the program. */
export type Source = { resource: Attributes; scope: string }

/** Of OTLP's enumerations. */
const SPAN_KINDS: Readonly<Record<SpanKind, number>> = {
  internal: 1,
  server: 2,
  client: 3,
  producer: 4,
  consumer: 5,
}
const STATUS_CODE_ERROR = 2

const NS_PER_MS = 1_000_000n

export function otlpJson({ resource, scope }: Source, spans: readonly Span[]): string {
  return JSON.stringify({
    resourceSpans: [
      {
        resource: { attributes: attributesJson(resource) },
        scopeSpans: [{ scope: { name: scope }, spans: spans.map(spanJson) }],
      },
    ],
  })
}

function spanJson(span: Span): object {
  const { parentSpanId } = span
  return {
    traceId: span.traceId,
    spanId: span.spanId,
    ...(parentSpanId === null ? {} : { parentSpanId }),
    name: span.name,
    kind: SPAN_KINDS[span.kind],
    startTimeUnixNano: nanoseconds(span.startedAt),
    endTimeUnixNano: nanoseconds(span.endedAt),
    attributes: attributesJson(span.attributes),
    ...(span.isFailure ? { status: { code: STATUS_CODE_ERROR } } : {}),
  }
}

function attributesJson(attributes: Attributes): object[] {
  return Object.entries(attributes).flatMap(([key, value]) =>
    value === undefined ? [] : [{ key, value: valueJson(value) }],
  )
}

function valueJson(value: string | number | boolean): object {
  if (typeof value === 'string') return { stringValue: value }
  if (typeof value === 'boolean') return { boolValue: value }
  return Number.isSafeInteger(value) ? { intValue: String(value) } : { doubleValue: value }
}

/** A double has no room for the nanoseconds of a time since 1970; microseconds are as fine as the clock is. */
function nanoseconds(ms: number): string {
  const whole = Math.floor(ms)
  return String(BigInt(whole) * NS_PER_MS + BigInt(Math.round((ms - whole) * 1000)) * 1000n)
}
