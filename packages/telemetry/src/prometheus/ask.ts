/**
 * One question to a Prometheus, within limits: a few at once, the others in line, each with a time-out and a size that
 * its answer may have. Whatever goes wrong is a `MetricsUnavailable`, whose message says what was asked, of whom, what
 * came and what to do. So is an answer that may lack a part of the fleet: silence would be taken for calm.
 */
import { formatProblems, parseWith } from '@cellplane/contract'
import { list, object, record } from '@cellplane/contract/schema'
import * as v from 'valibot'

export type PrometheusOptions = {
  /** Base URL: `http://127.0.0.1:9090`. */
  url: string
  /** Asked for before each question. */
  bearerToken?: () => Promise<string>
  /** A question had no answer. */
  onFailure?: () => void
  /** Ends what is under way, and what waits. */
  signal?: AbortSignal
  /** For an answer, once it is the question's turn. Tests shorten it. */
  timeoutMs?: number
}

/** Prometheus' own limit of a query is two minutes; whoever waits for a report, or a page, has no patience for that. */
const QUERY_TIMEOUT_MS = 10_000
/** For its turn: what has not begun by then would come too late for whoever asks. */
const TURN_TIMEOUT_MS = 30_000
/** 1,000 cells × 16 buckets are 16,000 series of some 150 bytes. */
const ANSWER_BYTES_MAX = 16 * 1024 * 1024
/** Others ask it as well; by itself it runs 20 (`--query.max-concurrency`). */
const AT_ONCE_MAX = 4
/** A look at eight objectives is 72 questions, and a few people may ask for reports meanwhile. */
const WAITING_MAX = 200
const SHOWN_CHARACTERS = 200

/** NaN and infinities are no counts and no levels: taken for calm, they would end an alert. */
const number = v.pipe(
  v.string(),
  v.check((text) => text !== '' && Number.isFinite(Number(text)), 'a finite number is expected'),
  v.transform(Number),
)
const point = v.tuple([v.number(), number])
const metric = record(v.string(), v.string())
const vectorSchema = object({
  resultType: v.literal('vector'),
  result: list(object({ metric, value: point })),
})
const matrixSchema = object({
  resultType: v.literal('matrix'),
  result: list(object({ metric, values: list(point) })),
})
const answerSchema = v.variant('status', [
  object({
    status: v.literal('success'),
    data: v.variant('resultType', [vectorSchema, matrixSchema]),
    warnings: v.optional(list(v.string())),
    /** VictoriaMetrics says so where Thanos warns. */
    isPartial: v.optional(v.boolean()),
  }),
  object({ status: v.literal('error'), error: v.string() }),
])

/** Of an instant one value. */
export type Series = {
  readonly metric: Readonly<Record<string, string>>
  readonly values: readonly (readonly [atSeconds: number, value: number])[]
}

/** Remarks on a query's wording, which come among the warnings; not on what is in the answer. */
const REMARK = 'PromQL info'

/** `query`, with `time`; `query_range`, with `start`, `end` and `step`. */
export type Ask = (path: Path, parameters: Record<string, string>) => Promise<readonly Series[]>
type Path = 'query' | 'query_range'
const RESULT_TYPE = { query: 'vector', query_range: 'matrix' } as const

/** Whoever keeps the metrics did not answer. The message is for operators. */
export class MetricsUnavailable extends Error {
  override readonly name = 'MetricsUnavailable'
}

export function createAsk(options: PrometheusOptions): Ask {
  const { bearerToken, onFailure = () => {}, timeoutMs = QUERY_TIMEOUT_MS } = options
  const stopping = options.signal ? [options.signal] : []
  const base = options.url.replace(/\/$/, '')
  const turns = createTurns()

  async function fetchSeries(path: Path, parameters: Record<string, string>): Promise<Series[]> {
    const token = await bearerToken?.()
    const response = await fetch(`${base}/api/v1/${path}`, {
      method: 'POST',
      headers: token === undefined ? {} : { authorization: `Bearer ${token}` },
      body: new URLSearchParams(parameters),
      redirect: 'error',
      signal: AbortSignal.any([...stopping, AbortSignal.timeout(timeoutMs)]),
    })
    const text = await readBounded(response)
    const answer = parseWith(answerSchema, jsonOf(text))
    const said = (why: string) =>
      new Error(`it answered ${response.status}: ${why.slice(0, SHOWN_CHARACTERS)}`)
    if (!answer.ok) throw said(formatProblems(answer.problems))
    if (answer.value.status === 'error') throw said(answer.value.error)
    const { data, warnings = [], isPartial } = answer.value
    // What lacks a part looks like calm, and would be remembered as it is.
    const warning = warnings.find((one) => !one.startsWith(REMARK))
    if (warning !== undefined) throw said(`a part of it may be missing: ${warning}`)
    if (isPartial) throw said('a part of it is missing')
    if (data.resultType !== RESULT_TYPE[path]) {
      throw said(`found a ${data.resultType}; expected a ${RESULT_TYPE[path]}`)
    }
    if (data.resultType === 'matrix') return data.result
    return data.result.map(({ metric, value }) => ({ metric, values: [value] }))
  }

  return async (path, parameters) => {
    try {
      return await turns(() => fetchSeries(path, parameters))
    } catch (error) {
      onFailure()
      const why = whyOf(error as Error, timeoutMs)
      const asked = (parameters['query'] ?? '').slice(0, SHOWN_CHARACTERS)
      throw new MetricsUnavailable(
        `the Prometheus at ${base} was asked for ${asked}, and ${why}; see whether it runs and answers there, and whether "prometheus" of the control plane's configuration names the right one`,
        { cause: error },
      )
    }
  }
}

type Turns = <T>(run: () => Promise<T>) => Promise<T>

/** Runs so many at once; the others wait, in the order in which they came, and not for ever. */
function createTurns(): Turns {
  let taken = 0
  const waiting = new Set<() => void>()

  async function take(): Promise<void> {
    if (taken < AT_ONCE_MAX) {
      taken++
      return
    }
    if (waiting.size >= WAITING_MAX) throw new Error(`${WAITING_MAX} questions wait for it already`)
    const { promise, resolve, reject } = Promise.withResolvers<void>()
    const timer = setTimeout(() => {
      waiting.delete(resolve)
      reject(new Error(`others kept it busy for ${TURN_TIMEOUT_MS / 1_000} s`))
    }, TURN_TIMEOUT_MS)
    waiting.add(resolve)
    await promise.finally(() => clearTimeout(timer))
  }

  /** A turn goes from hand to hand, so that nobody who comes just now takes it from those who wait. */
  function pass(): void {
    const [next] = waiting
    if (next) {
      waiting.delete(next)
      next()
    } else taken--
  }

  return async (run) => {
    await take()
    try {
      return await run()
    } finally {
      pass()
    }
  }
}

/** fetch says "fetch failed"; why is in its cause. */
function whyOf(error: Error, timeoutMs: number): string {
  if (error.name === 'TimeoutError') return `it did not answer within ${timeoutMs / 1_000} s`
  const cause = error.cause instanceof Error ? error.cause : error
  const { code } = cause as NodeJS.ErrnoException
  return typeof code === 'string' ? `it cannot be reached (${code})` : cause.message
}

async function readBounded(response: Response): Promise<string> {
  const chunks: Uint8Array[] = []
  let bytes = 0
  for await (const chunk of response.body ?? []) {
    bytes += chunk.length
    if (bytes > ANSWER_BYTES_MAX) throw new Error(`its answer has more than ${ANSWER_BYTES_MAX} bytes`)
    chunks.push(chunk)
  }
  return Buffer.concat(chunks).toString('utf8')
}

function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return text.slice(0, SHOWN_CHARACTERS)
  }
}
