/**
 * Spans as OTLP/HTTP wants them in JSON (OpenTelemetry protocol 1.x, "JSON Protobuf Encoding": ids in hexadecimal digits,
 * 64-bit numbers as text). Written by hand: the protocol is this, and its libraries are larger than the router. Pure.
 *
 * A span is written when it is made, and waits as text. Texts come from outside (a path, a provider's answer) and may be
 * long, or cut out of something long, all of which they would keep in memory; what was written is bounded, and refers to
 * nothing. So its size times the queues is what tracing may take.
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
const STATUS_ERROR = { code: 2 }

const NAME_CHARACTERS_MAX = 128
/** The kit's own are ten at most; a service's own span may add as many again. */
const ATTRIBUTES_MAX = 24
/** A path may be as long as a head; its beginning tells what it was. */
const VALUE_CHARACTERS_MAX = 512

/** The body of a request, of spans as `spanJson` wrote them. */
export function otlpJson({ resource, scope }: Source, spans: readonly string[]): string {
  const from = JSON.stringify({ attributes: attributesJson(resource) })
  const of = JSON.stringify({ name: scope })
  return `{"resourceSpans":[{"resource":${from},"scopeSpans":[{"scope":${of},"spans":[${spans.join(',')}]}]}]}`
}

export function spanJson(span: Span): string {
  return JSON.stringify({
    traceId: span.traceId,
    spanId: span.spanId,
    parentSpanId: span.parentSpanId ?? undefined,
    name: bounded(span.name, NAME_CHARACTERS_MAX),
    kind: SPAN_KINDS[span.kind],
    startTimeUnixNano: nanoseconds(span.startedAt),
    endTimeUnixNano: nanoseconds(span.endedAt),
    attributes: attributesJson(span.attributes),
    status: span.isFailure ? STATUS_ERROR : undefined,
  })
}

function attributesJson(attributes: Attributes): object[] {
  const all: object[] = []
  for (const key in attributes) {
    const value = attributes[key]
    if (value === undefined) continue
    if (all.length === ATTRIBUTES_MAX) break
    all.push({ key, value: valueJson(value) })
  }
  return all
}

function valueJson(value: string | number | boolean): object {
  if (typeof value === 'string') return { stringValue: bounded(value, VALUE_CHARACTERS_MAX) }
  if (typeof value === 'boolean') return { boolValue: value }
  return Number.isSafeInteger(value) ? { intValue: String(value) } : { doubleValue: value }
}

const bounded = (text: string, max: number): string => (text.length > max ? text.slice(0, max) : text)

/** A double has no room for the nanoseconds of a time since 1970; microseconds are as fine as the clock is. */
const nanoseconds = (ms: number): string => `${Math.round(ms * 1000)}000`
