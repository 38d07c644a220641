/**
 * Spans on their way to an OTLP receiver. A span is put into a queue and no request waits for more; each second, what has
 * gathered goes out, one request at a time.
 *
 * Failures have a queue of their own, so that in an outage the many do not displace the few that explain it. A queue that
 * is full takes no more, and a batch that was not taken is given up: both are counted. An outage of the receiver costs
 * its spans and nothing else.
 */
import { request } from '../node-http.ts'
import { isFailure, otlpJson, type Span, type TracedRouter } from './otlp-json.ts'

export type SpanExporter = {
  add(span: Span): void
  readonly exported: number
  readonly dropped: number
  /** Waits for the batch under way and sends one more, each within the time that a batch has. */
  stop(): Promise<void>
}

/** A span is some 300 bytes here, so both queues are at most 1.3 MB; failures are fewer and worth more. */
const FAILURES_WAITING_MAX = 1_024
const OTHERS_WAITING_MAX = 3_072
/** As OpenTelemetry's own batches. */
const BATCH_MAX = 512
const EVERY_MS = 1_000
const SEND_TIMEOUT_MS = 5_000

/** `url`: the whole of it, such as `http://127.0.0.1:4318/v1/traces`. */
export function startSpanExporter(url: string, who: TracedRouter): SpanExporter {
  const failures: Span[] = []
  const others: Span[] = []
  let exported = 0
  let dropped = 0
  let underWay: Promise<void> | null = null
  let isStopping = false

  function takeBatch(): Span[] {
    const batch = failures.splice(0, BATCH_MAX)
    return batch.concat(others.splice(0, BATCH_MAX - batch.length))
  }

  async function send(batch: readonly Span[]): Promise<boolean> {
    try {
      const answer = await request(url, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: otlpJson(who, batch),
        signal: AbortSignal.timeout(SEND_TIMEOUT_MS),
      })
      answer.discard()
      if (answer.status >= 200 && answer.status < 300) {
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
      if (!isTaken || batch.length < BATCH_MAX || isStopping) return
    }
  }

  function sendSoon(): Promise<void> {
    underWay ??= sendAll().finally(() => {
      underWay = null
    })
    return underWay
  }

  const timer = setInterval(sendSoon, EVERY_MS)

  return {
    add(span) {
      const [queue, max] = isFailure(span) ? [failures, FAILURES_WAITING_MAX] : [others, OTHERS_WAITING_MAX]
      if (queue.length < max) queue.push(span)
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
      isStopping = true
      await underWay
      const batch = takeBatch()
      if (batch.length > 0) await send(batch)
      dropped += failures.length + others.length
    },
  }
}
