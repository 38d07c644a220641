/**
 * A span, and how much of one is kept while it waits.
 *
 * Texts come from outside (a path, a provider's answer) and may be long, or cut out of something long, all of which they
 * would keep in memory. So what waits is a bounded copy; its size times the queues is what tracing may take.
 */

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

const NAME_CHARACTERS_MAX = 128
/** The kit's own are ten at most; a service's own span may add as many again. */
const ATTRIBUTES_MAX = 24
/** A path may be as long as a head; its beginning tells what it was. */
const VALUE_CHARACTERS_MAX = 512

/** The span as it is kept: bounded, and with nothing else alive because of it. */
export function boundedCopy(span: Span): Span {
  const attributes: Record<string, string | number | boolean> = {}
  let count = 0
  for (const key in span.attributes) {
    const value = span.attributes[key]
    if (value === undefined) continue
    if (count++ === ATTRIBUTES_MAX) break
    attributes[key] = typeof value === 'string' ? copyText(value.slice(0, VALUE_CHARACTERS_MAX)) : value
  }
  return {
    ...span,
    traceId: copyText(span.traceId),
    spanId: copyText(span.spanId),
    parentSpanId: span.parentSpanId && copyText(span.parentSpanId),
    name: copyText(span.name.slice(0, NAME_CHARACTERS_MAX)),
    attributes,
  }
}

/** V8 lets a part of at least 13 characters refer to the whole text; a copy refers to nothing, and costs half a µs. */
const REFERRING_CHARACTERS_MIN = 13

function copyText(text: string): string {
  return text.length < REFERRING_CHARACTERS_MIN ? text : Buffer.from(text, 'utf8').toString('utf8')
}
