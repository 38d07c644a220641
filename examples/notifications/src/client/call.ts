/**
 * One call to the API, with the patience that its safety allows. Every call of this client is safe to repeat: reads are, and a
 * send carries an Idempotency-Key.
 */

export type CallOptions = {
  /** Base URL of the routers. */
  url: string
  /** A bearer token, or where to get one. */
  token: string | (() => string | Promise<string>)
  fetch: typeof fetch
}

export type Call = {
  method: 'GET' | 'POST' | 'PUT'
  path: string
  /** Ask this cell and no other. */
  cell?: string | undefined
  headers?: Record<string, string>
  body?: string
  signal?: AbortSignal | undefined
}

/** What the API answered, or why no answer came. `code` is stable. */
export class NotificationsError extends Error {
  override name = 'NotificationsError'
  readonly code: string
  /** 0 when no answer came. */
  readonly status: number
  /** The cell that is meant, where one is. */
  readonly cell: string | undefined
  readonly requestId: string | undefined

  constructor(problem: Partial<Record<string, unknown>>, status: number, options?: ErrorOptions) {
    const text = (name: string) => (typeof problem[name] === 'string' ? (problem[name] as string) : undefined)
    super(text('detail') ?? `the answer was ${status} without a problem document`, options)
    this.code = text('code') ?? 'UNKNOWN'
    this.status = status
    this.cell = text('cell')
    this.requestId = text('request_id')
  }
}

const TRIES_MAX = 5
/** Longer than a router takes to try a second cell. */
const ANSWER_TIMEOUT_MS = 15_000
const DELAY_FIRST_MS = 100
/** A server may ask for patience, up to here; then the caller hears of it instead. */
const DELAY_MAX_MS = 5000

const MAY_WORK_LATER = new Set([421, 429, 500, 502, 503, 504])

/** Resolves with a 2xx answer. Throws NotificationsError. */
export async function call(options: CallOptions, request: Call): Promise<Response> {
  for (let attempt = 1; ; attempt++) {
    const result = await attemptOnce(options, request)
    if ('response' in result) return result.response
    const { error, delayMs } = result
    if (attempt === TRIES_MAX || delayMs === undefined || request.signal?.aborted) throw error
    const backoff = DELAY_FIRST_MS * 2 ** attempt * (0.5 + Math.random() / 2)
    await pause(Math.min(DELAY_MAX_MS, Math.max(backoff, delayMs)), request.signal)
  }
}

/** `delayMs` is undefined when trying again would not help. */
type Failure = { error: NotificationsError; delayMs: number | undefined }

async function attemptOnce(options: CallOptions, request: Call): Promise<{ response: Response } | Failure> {
  const token = typeof options.token === 'string' ? options.token : await options.token()
  const timeout = AbortSignal.timeout(ANSWER_TIMEOUT_MS)
  let response: Response
  let text: string
  try {
    response = await options.fetch(new URL(request.path, options.url), {
      method: request.method,
      headers: {
        authorization: `Bearer ${token}`,
        ...(request.cell === undefined ? {} : { 'x-cell': request.cell }),
        ...(request.body === undefined ? {} : { 'content-type': 'application/json' }),
        ...request.headers,
      },
      ...(request.body === undefined ? {} : { body: request.body }),
      signal: request.signal ? AbortSignal.any([request.signal, timeout]) : timeout,
    })
    if (response.ok) return { response }
    text = await response.text()
  } catch (cause) {
    const detail = `no answer came: ${(cause as Error).message}`
    return { error: new NotificationsError({ code: 'NO_ANSWER', detail }, 0, { cause }), delayMs: 0 }
  }
  const error = new NotificationsError(problemOf(text), response.status)
  // The record is in that cell and nowhere else; whether to wait for it is the caller's to say.
  const isFinal = error.code === 'CELL_UNAVAILABLE' || !MAY_WORK_LATER.has(response.status)
  const retryAfterMs = Number(response.headers.get('retry-after') ?? 0) * 1000
  return { error, delayMs: isFinal ? undefined : retryAfterMs || 0 }
}

function problemOf(text: string): Record<string, unknown> {
  try {
    return Object(JSON.parse(text)) as Record<string, unknown>
  } catch {
    return {}
  }
}

function pause(ms: number, signal: AbortSignal | undefined): Promise<void> {
  return new Promise((resolve) => {
    const end = () => {
      clearTimeout(timer)
      signal?.removeEventListener('abort', end)
      resolve()
    }
    const timer = setTimeout(end, ms)
    signal?.addEventListener('abort', end)
    if (signal?.aborted) end()
  })
}
