/**
 * Spans on their way to an OTLP receiver. A span is put into a queue and no request waits for more; each second, what has
 * gathered goes out, one request at a time.
 *
 * Failures have a queue of their own, so that in an outage the many do not displace the few that explain it. A queue that
 * is full takes no more, and a batch that was not taken is given up: both are counted. An outage of the receiver costs
 * its spans and nothing else.
 */
import { otlpJson, type Source, spanJson } from './otlp-json.ts'
import { postJson } from './post.ts'
import type { Span } from './span.ts'

export type SpanExporter = {
  add(span: Span): void
  /** Spans, since the start. */
  readonly exported: number
  readonly dropped: number
  /** Sends what waits, for a second at most, and counts the rest as dropped, and whatever comes later. */
  stop(): Promise<void>
}

export type SpanExporterOptions = Source & {
  /** The whole of it, such as `http://127.0.0.1:4318/v1/traces`. */
  url: string
  /** Spans that wait; a span is some 500 bytes, and 26 kB if all of its texts are as long as they may be. */
  failuresWaitingMax: number
  othersWaitingMax: number
}

/** As OpenTelemetry's own batches. */
const BATCH_MAX = 512
const EVERY_MS = 1_000
const SEND_TIMEOUT_MS = 5_000
/** A process that is told to stop has ten seconds by default, and has used most of them for what was under way. */
const STOP_TIMEOUT_MS = 1_000

export function startSpanExporter(options: SpanExporterOptions): SpanExporter {
  const { url, failuresWaitingMax, othersWaitingMax } = options
  const failures: string[] = []
  const others: string[] = []
  let exported = 0
  let dropped = 0
  let isStopped = false
  let underWay: Promise<void> | null = null
  const cutOff = new AbortController()

  function takeBatch(): string[] {
    const batch = failures.splice(0, BATCH_MAX)
    return batch.concat(others.splice(0, BATCH_MAX - batch.length))
  }

  async function send(batch: readonly string[]): Promise<boolean> {
    try {
      const signal = AbortSignal.any([AbortSignal.timeout(SEND_TIMEOUT_MS), cutOff.signal])
      const status = await postJson(url, otlpJson(options, batch), signal)
      if (status >= 200 && status < 300) {
        exported += batch.length
        return true
      }
    } catch {
      // Counted below, like any batch that was not taken.
    }
    dropped += batch.length
    return false
  }

  /** Batch after batch, until what waits is less than one, or the receiver fails: the next second is another try. */
  async function sendAll(): Promise<void> {
    for (;;) {
      const batch = takeBatch()
      const isTaken = batch.length === 0 || (await send(batch))
      if (!isTaken || batch.length < BATCH_MAX) return
    }
  }

  function sendSoon(): Promise<void> {
    underWay ??= sendAll().finally(() => {
      underWay = null
    })
    return underWay
  }

  // Not a reason to live: a process that forgets `stop` loses its last second of spans, and ends.
  const timer = setInterval(sendSoon, EVERY_MS).unref()

  return {
    add(span) {
      const [queue, max] = span.isFailure ? [failures, failuresWaitingMax] : [others, othersWaitingMax]
      if (!isStopped && queue.length < max) queue.push(spanJson(span))
      else dropped++
    },
    get exported() {
      return exported
    },
    get dropped() {
      return dropped
    },
    async stop() {
      clearInterval(timer)
      const timeout = setTimeout(() => cutOff.abort(), STOP_TIMEOUT_MS)
      await underWay
      await sendSoon()
      clearTimeout(timeout)
      isStopped = true
      dropped += failures.splice(0).length + others.splice(0).length
    },
  }
}
