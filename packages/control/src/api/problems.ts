/** Problems and failures as HTTP answers: RFC 9457, the status from the contract's table. */
import {
  PROBLEM_CODES,
  PROBLEM_CONTENT_TYPE,
  type Problem,
  type ProblemCode,
  problem,
  problemDetails,
  refused,
} from '@cellplane/contract'
import { MetricsUnavailable } from '@cellplane/telemetry'
import { NotLeader, StoreRowInvalid, StoreUnavailable } from '../store/store.ts'

/** How long a caller should wait before it tries again: a lease changes hands, or a database is back, within seconds. */
const RETRY_AFTER_SECONDS = 1

/** Of whatever asks for the topology before there is one. */
export const nothingPublished = () =>
  refused(problem('NO_TOPOLOGY', '', 'no topology has been published yet; it is once enough cells are ready'))

const isProblemCode = (code: string): code is ProblemCode => Object.hasOwn(PROBLEM_CODES, code)

/** A planner's own codes (WEIGHT_UNREACHABLE and others) are no HTTP matter: to the caller, the plan was refused. */
export function codeOf(problems: readonly Problem[]): ProblemCode {
  const code = problems[0]?.code ?? 'INTERNAL'
  return isProblemCode(code) ? code : 'PLAN_REFUSED'
}

export function problemResponse(
  code: ProblemCode,
  detail: string,
  requestId: string,
  problems?: readonly Problem[],
): Response {
  const body = problemDetails(code, detail, {
    request_id: requestId,
    ...(problems ? { problems: [...problems] } : {}),
  })
  const headers = new Headers({ 'content-type': PROBLEM_CONTENT_TYPE, 'x-request-id': requestId })
  if (body.status === 503) headers.set('retry-after', String(RETRY_AFTER_SECONDS))
  if (body.status === 401) headers.set('www-authenticate', 'Bearer realm="cellplane"')
  return new Response(JSON.stringify(body), { status: body.status, headers })
}

/** What was thrown: the store's and the metrics' own errors have codes; anything else is a bug, and its text stays in the log. */
export function failureOf(error: unknown): { code: ProblemCode; detail: string } {
  if (error instanceof NotLeader) return { code: 'NOT_LEADER', detail: error.message }
  if (error instanceof StoreUnavailable) return { code: 'STORE_UNAVAILABLE', detail: error.message }
  if (error instanceof MetricsUnavailable) return { code: 'METRICS_UNAVAILABLE', detail: error.message }
  if (error instanceof StoreRowInvalid) return { code: 'STORE_ROW_INVALID', detail: error.message }
  return {
    code: 'INTERNAL',
    detail: 'the request failed by an error of the control plane; its log has the details',
  }
}
