/**
 * Spans on their way to an OTLP receiver. A span is put into a queue and no request waits for more; each second, what has
 * gathered goes out, one request at a time.
 *
 * Failures have a queue of their own, so that in an outage the many do not displace the few that explain it. A queue that
 * is full takes no more, and a batch that was not taken is given up: both are counted. An outage of the receiver costs
 * its spans and nothing else.
 */
import { copyText } from '../http/request-head.ts'
import { type HttpAnswer, request } from '../node-http.ts'
import { isFailure, otlpJson, type Span, type TracedRouter } from './otlp-json.ts'

export type SpanExporter = {
  add(span: Span): void
  readonly exported: number
  readonly dropped: number
  /** Waits for the batch under way and sends one more, each within the time that a batch has. */
  stop(): Promise<void>
}

/**
 * A span is some 500 bytes here and its path, so both queues are 2 MB, or 4 MB of the longest paths. Failures are fewer and
 * worth more.
 */
const FAILURES_WAITING_MAX = 1_024
const OTHERS_WAITING_MAX = 3_072
/** Characters. A path may be as long as a head; its beginning tells what it was. */
const PATH_KEPT_MAX = 512
/** As OpenTelemetry's own batches. */
const BATCH_MAX = 512
const EVERY_MS = 1_000
const SEND_TIMEOUT_MS = 5_000
/** Of an answer, what is read so that its connection can be used again; OTLP's are a few bytes, or tell of an error. */
const ANSWER_BYTES_MAX = 16 * 1024

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
      await readAway(answer)
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
      if (queue.length < max) queue.push(copySpan(span))
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

/** What is kept of a span: its texts are cut out of what was read, all of which they would keep alive. */
function copySpan(span: Span): Span {
  const { method, path, parentSpanId } = span
  return {
    ...span,
    method: copyText(method),
    path: copyText(path.slice(0, PATH_KEPT_MAX)),
    parentSpanId: parentSpanId && copyText(parentSpanId),
  }
}

/** Reads a short answer to its end; of a longer one, or one that breaks off, the connection is given up. */
async function readAway({ body }: HttpAnswer): Promise<void> {
  let bytes = 0
  try {
    for await (const part of body) {
      bytes += part.length
      if (bytes > ANSWER_BYTES_MAX) return
    }
  } catch {
    // Its head has said what became of the batch.
  }
}
