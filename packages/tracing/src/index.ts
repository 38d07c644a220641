/**
 * @cellplane/tracing: spans, and their way to an OTLP receiver. What a span is about and whether it is kept is said by who
 * makes it; this is loaded only where a receiver is configured.
 */
export { otlpJson, type Source, spanJson } from './otlp-json.ts'
export type { Attributes, Span, SpanKind } from './span.ts'
export { type SpanExporter, type SpanExporterOptions, startSpanExporter } from './span-exporter.ts'
