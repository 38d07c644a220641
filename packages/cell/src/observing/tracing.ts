/**
 * The spans of one process of a cell: of the requests that it serves, and of whatever else the service makes one of.
 *
 * A router says in the trace context whether a trace is kept, so that all hops keep it or none does. What fails is kept in
 * any case: nobody knew before that it would be of interest, so its span may name a parent that was not kept.
 *
 * Without a receiver a trace's context goes on all the same, to queues, providers and log lines; nothing is loaded or kept.
 */
import type { Attributes, Span, SpanExporter, SpanKind } from '@cellplane/tracing'
import { continueTrace, formatTraceparent, type TraceContext } from '../admission/trace-context.ts'
import type { CellConfig } from '../config.ts'

export type Tracing = {
  /**
   * Runs `work` as a span. It fails when `work` throws, or says so; what `work` returns or throws is handed on. `parent` is
   * the traceparent of what it belongs to: an admission's, or what a queue kept of it. Without one a trace begins, of which
   * only failures are kept.
   */
  span<T>(about: SpanAbout, work: (span: OpenSpan) => T | Promise<T>): Promise<T>
  /** Makes the span of a request that has been answered. The Hono middleware calls it; others do after their answer. */
  served(request: ServedRequest): void
  /** Spans since the start; both are 0 without a receiver. */
  counts(): { exported: number; dropped: number }
  /** Sends what waits, for a second at most. Call it last: spans that end later are dropped. */
  stop(): Promise<void>
}

export type SpanAbout = {
  /** Few different ones: what is done, never to what. */
  name: string
  /** Left out: internal. */
  kind?: SpanKind
  parent: string | null | undefined
  /** At most 24, texts of at most 512 characters; the rest is cut off. The cell's name comes by itself. */
  attributes?: Attributes
}

export type OpenSpan = {
  trace: TraceContext
  /** For what is asked of others within it. */
  traceparent: string
  set(attributes: Attributes): void
  /** `type` is a word of few: a status, an error's name. */
  fail(type: string): void
}

export type ServedRequest = {
  /** The admission's; of a request that was not admitted, its traceparent header. */
  trace: TraceContext | string | undefined
  /** By `performance.now()`. */
  startedAt: number
  method: string
  /** Without the query. */
  path: string
  /** The pattern: `/v1/orders/{id}`. */
  route: string
  status: number
  tenant: string | undefined
}

/** A cell is small, and has several processes: both are 0.5 MB of usual spans, and 26 MB of the largest that are kept. */
const FAILURES_WAITING_MAX = 256
const OTHERS_WAITING_MAX = 768

type TracedProcess = Pick<CellConfig, 'fleet' | 'cell' | 'component' | 'release' | 'tracesUrl'>

export function createTracing(config: TracedProcess): Tracing {
  const { tracesUrl, cell } = config
  let exporter: SpanExporter | undefined
  const loading = tracesUrl === undefined ? undefined : load(config, tracesUrl)
  void loading?.then((loaded) => {
    exporter = loaded
  })

  function record(trace: TraceContext, span: Omit<Span, 'traceId' | 'spanId' | 'parentSpanId'>): void {
    if (!loading || !(trace.isSampled || span.isFailure)) return
    const { traceId, spanId, parentSpanId = null } = trace
    const attributes = { 'cellplane.cell': cell, ...span.attributes }
    // Loading takes milliseconds, once.
    void loading.then((loaded) => loaded.add({ ...span, traceId, spanId, parentSpanId, attributes }))
  }

  return {
    async span({ name, kind = 'internal', parent, attributes = {} }, work) {
      const trace = continueTrace(parent ?? undefined)
      const startedAt = performance.now()
      let said = attributes
      let failure: string | undefined
      const open: OpenSpan = {
        trace,
        traceparent: formatTraceparent(trace),
        set(more) {
          said = { ...said, ...more }
        },
        fail(type) {
          failure = type
        },
      }
      try {
        return await work(open)
      } catch (error) {
        failure ??= typeOf(error)
        throw error
      } finally {
        record(trace, {
          ...{ name, kind, ...since(startedAt) },
          attributes: { 'error.type': failure, ...said },
          isFailure: failure !== undefined,
        })
      }
    },
    served({ trace, startedAt, method, path, route, status, tenant }) {
      if (!loading) return
      const isFailure = status >= 500
      record(typeof trace === 'object' ? trace : continueTrace(trace), {
        ...{ name: `${method} ${route}`, kind: 'server', ...since(startedAt) },
        attributes: {
          'http.request.method': method,
          'http.route': route,
          'url.path': path,
          'http.response.status_code': status,
          'error.type': isFailure ? String(status) : undefined,
          'cellplane.tenant': tenant,
        },
        isFailure,
      })
    },
    counts: () => ({ exported: exporter?.exported ?? 0, dropped: exporter?.dropped ?? 0 }),
    async stop() {
      await (await loading)?.stop()
    },
  }
}

async function load({ fleet, cell, component, release }: TracedProcess, url: string): Promise<SpanExporter> {
  const { startSpanExporter } = await import('@cellplane/tracing')
  return startSpanExporter({
    url,
    resource: {
      'service.namespace': fleet,
      'service.name': component,
      'service.version': release,
      'service.instance.id': `${cell}/${component}`,
      'cellplane.fleet': fleet,
    },
    scope: 'cellplane.cell',
    failuresWaitingMax: FAILURES_WAITING_MAX,
    othersWaitingMax: OTHERS_WAITING_MAX,
  })
}

/** A span that ends now; ms since the epoch, by the clock that routers use. */
function since(startedAt: number): Pick<Span, 'startedAt' | 'endedAt'> {
  return {
    startedAt: performance.timeOrigin + startedAt,
    endedAt: performance.timeOrigin + performance.now(),
  }
}

/** Messages quote what they are about: they would be a type each, and may hold secrets. */
function typeOf(error: unknown): string {
  const { code, name } = (error ?? {}) as { code?: unknown; name?: unknown }
  return typeof code === 'string' ? code : typeof name === 'string' ? name : 'Error'
}
