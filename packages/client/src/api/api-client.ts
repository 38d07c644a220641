/**
 * The control plane's API, typed by the contract's table of operations: no generated code, nothing to drift.
 *
 * A call is made once. A read may be repeated by whoever needs it; a write whose answer was lost may have happened, and
 * only the caller can find out (by reading) whether it is to be repeated.
 */
import { OPERATIONS, type Operation, type OperationName } from '@cellplane/contract/api'
import { problemDetailsSchema } from '@cellplane/contract/http'
import { parseWith } from '@cellplane/contract/schema'
import * as v from 'valibot'
import { BodyTooLargeError, readText } from '../bounded-body.ts'
import { reasonOf } from '../fetch-failure.ts'
import { ApiError } from './api-error.ts'

export type ApiClientOptions = {
  /** Where the control plane is, such as `http://127.0.0.1:7400`. */
  url: string
  /** Bearer token of a role that may call what is called. */
  token: string
  fetch?: typeof fetch
  /** For a whole call, answer included. */
  timeoutMs?: number
}

export type CallOptions = { signal?: AbortSignal }

type Table = typeof OPERATIONS

/** `{params, query, body}`, each only where the operation has it. What has a default may be left out. */
export type CallInput<N extends OperationName> = Given<'params', Table[N]['params']> &
  (Table[N]['query'] extends v.GenericSchema
    ? { query?: Partial<v.InferOutput<Table[N]['query']>> }
    : unknown) &
  (Table[N]['body'] extends v.GenericSchema ? { body: v.InferInput<Table[N]['body']> } : unknown)

type Given<K extends string, S> = S extends v.GenericSchema ? { [k in K]: v.InferOutput<S> } : unknown

/** What the operation answers; undefined where it answers 204. */
export type Answer<N extends OperationName> = Table[N]['answer'] extends v.GenericSchema
  ? v.InferOutput<Table[N]['answer']>
  : undefined

type CallArguments<N extends OperationName> =
  Record<never, never> extends CallInput<N>
    ? [input?: CallInput<N>, options?: CallOptions]
    : [input: CallInput<N>, options?: CallOptions]

/** Every operation as a method, `client.getCell({ params: { cell } })`, and `call` for a name that is a value. All reject with ApiError only. */
export type ApiClient = {
  call<N extends OperationName>(name: N, ...args: CallArguments<N>): Promise<Answer<N>>
} & { [N in OperationName]: (...args: CallArguments<N>) => Promise<Answer<N>> }

/** Longer than any operation takes, the 30 s long poll included. */
const TIMEOUT_MS = 40_000

/** As large as the largest document that the API answers, a topology base (TOPOLOGY_BYTES_MAX). */
const ANSWER_BYTES_MAX = 32 * 1024 * 1024

/** Throws ApiError for a URL that is none. */
export function createApiClient(options: ApiClientOptions): ApiClient {
  if (!/^https?:$/.test(URL.parse(options.url)?.protocol ?? '')) {
    throw new ApiError(
      'INVALID_REQUEST',
      `${JSON.stringify(options.url)} is no URL of a control plane; give one such as http://127.0.0.1:7400`,
    )
  }
  const call = (name: OperationName, input: AnyInput = {}, callOptions: CallOptions = {}) =>
    perform(options, name, input, callOptions)
  const methods = Object.keys(OPERATIONS).map((name) => [
    name,
    (input?: AnyInput, callOptions?: CallOptions) => call(name as OperationName, input, callOptions),
  ])
  // The one place where the table's types are taken on trust: `perform` reads the same table.
  return { ...Object.fromEntries(methods), call } as ApiClient
}

type AnyInput = { params?: Record<string, unknown>; query?: Record<string, unknown>; body?: unknown }

async function perform(
  options: ApiClientOptions,
  name: OperationName,
  input: AnyInput,
  { signal }: CallOptions,
): Promise<unknown> {
  const operation: Operation = OPERATIONS[name]
  const url = urlOf(options.url, operation.path, input)
  const timeoutMs = options.timeoutMs ?? TIMEOUT_MS
  const late = AbortSignal.timeout(timeoutMs)
  let response: Response
  let text: string
  try {
    response = await (options.fetch ?? fetch)(url, {
      method: operation.method.toUpperCase(),
      headers: {
        authorization: `Bearer ${options.token}`,
        accept: 'application/json',
        ...(input.body === undefined ? {} : { 'content-type': 'application/json' }),
      },
      ...(input.body === undefined ? {} : { body: JSON.stringify(input.body) }),
      // The control plane never redirects; whoever does is not it, and must not see the token.
      redirect: 'error',
      signal: signal ? AbortSignal.any([signal, late]) : late,
    })
    text = await readText(response, ANSWER_BYTES_MAX)
  } catch (cause) {
    throw transportError(cause, {
      where: new URL(url).origin,
      timeoutMs,
      isAborted: signal?.aborted ?? false,
    })
  }
  return readAnswer(operation, response, text)
}

function urlOf(base: string, path: string, input: AnyInput): string {
  const filled = path.replace(/\{(\w+)\}/g, (_, name: string) =>
    segmentOf(name, String(input.params?.[name] ?? '')),
  )
  const query = new URLSearchParams()
  for (const [name, value] of Object.entries(input.query ?? {})) {
    if (value !== undefined) query.set(name, String(value))
  }
  const search = query.size > 0 ? `?${query}` : ''
  return `${base.replace(/\/+$/, '')}${filled}${search}`
}

/** One segment of the path. An empty one, `.` and `..` would name another operation: URLs fold them away, escaped or not. */
function segmentOf(name: string, value: string): string {
  if (value === '' || value === '.' || value === '..') {
    throw new ApiError(
      'INVALID_REQUEST',
      `${name} is ${JSON.stringify(value)}, which cannot be part of a URL; give its real id`,
    )
  }
  return encodeURIComponent(value)
}

function transportError(
  cause: unknown,
  { where, timeoutMs, isAborted }: { where: string; timeoutMs: number; isAborted: boolean },
): ApiError {
  if (isAborted) return new ApiError('ABORTED', 'the call was aborted by its caller', { cause })
  if (cause instanceof BodyTooLargeError) {
    return new ApiError('ANSWER_INVALID', `${where}: ${cause.message}; is it a control plane?`, { cause })
  }
  if (cause instanceof Error && cause.name === 'TimeoutError') {
    return new ApiError('TIMEOUT', `${where} gave no complete answer within ${timeoutMs} ms`, { cause })
  }
  return new ApiError(
    'UNREACHABLE',
    `${where} cannot be reached (${reasonOf(cause)}); is the control plane running there?`,
    { cause },
  )
}

function readAnswer(operation: Operation, response: Response, text: string): unknown {
  const what = `${operation.method.toUpperCase()} ${operation.path}`
  if (!response.ok) throw refusal(what, response, text)
  if (!operation.answer) return undefined
  const answer = parseWith(operation.answer, parseJson(text))
  if (answer.ok) return answer.value
  const [problem] = answer.problems
  throw new ApiError(
    'ANSWER_INVALID',
    `${what} answered ${response.status} with something else than the API's answer (${problem?.path || 'body'}: ${problem?.message}); client and control plane may be of different versions`,
    { status: response.status },
  )
}

function refusal(what: string, response: Response, text: string): ApiError {
  const details = v.safeParse(problemDetailsSchema, parseJson(text))
  if (!details.success) {
    return new ApiError(
      'ANSWER_INVALID',
      `${what} answered ${response.status} without problem details; is it a control plane?`,
      { status: response.status },
    )
  }
  const problem = details.output
  const problems = problem.problems?.map((p) => `\n  ${p.path ? `${p.path}: ` : ''}${p.message}`) ?? []
  return new ApiError(problem.code, `${problem.detail}${problems.join('')}`, {
    status: response.status,
    problem,
  })
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}
