/** Error answers in RFC 9457 form: the kit's codes, and the two that are this service's own. */
import {
  HEADERS,
  PROBLEM_CONTENT_TYPE,
  type ProblemCode,
  type ProblemDetails,
  problemDetails,
} from '@cellplane/cell'
import { type BaseIssue, getDotPath } from 'valibot'

export type Found = NonNullable<ProblemDetails['problems']>

/** After this a caller may hope that PostgreSQL is back, or the queue shorter. */
const RETRY_AFTER_S = 1

/** A refusal on its way to the caller; the app's error handler answers it. */
export class Refusal extends Error {
  override name = 'Refusal'
  readonly problem: ProblemDetails & Record<string, unknown>

  constructor(problem: ProblemDetails & Record<string, unknown>) {
    super(problem.detail)
    this.problem = problem
  }
}

export function refuse(code: ProblemCode, detail: string, problems?: Found): Refusal {
  return new Refusal(problemDetails(code, detail, problems ? { problems } : {}))
}

/** The cell has not seen this template. It is named with the cell, so that the caller uploads it to just this one. */
export function templateMissing(cell: string, template: string): Refusal {
  return new Refusal({
    type: 'urn:notifications:problem:template-missing',
    title: 'This cell does not have the template',
    status: 409,
    code: 'TEMPLATE_MISSING',
    detail: `upload it with PUT /v1/templates/${template} and "x-cell: ${cell}", then send again`,
    cell,
    template,
  })
}

/** The status of the IETF's draft on the Idempotency-Key header. */
export function idempotencyKeyReused(): Refusal {
  return new Refusal({
    type: 'urn:notifications:problem:idempotency-key-reused',
    title: 'The Idempotency-Key was used for another request',
    status: 422,
    code: 'IDEMPOTENCY_KEY_REUSED',
    detail: 'a key names one request for ever; use a new key for a new one',
  })
}

export function problemResponse(
  problem: ProblemDetails,
  about: { request_id?: string; cell: string },
): Response {
  return new Response(JSON.stringify({ ...problem, ...about }), {
    status: problem.status,
    headers: {
      'content-type': PROBLEM_CONTENT_TYPE,
      ...(about.request_id ? { [HEADERS.requestId]: about.request_id } : {}),
      ...(problem.status === 503 ? { 'retry-after': String(RETRY_AFTER_S) } : {}),
    },
  })
}

/** Of a body that a schema refused. Values are not repeated: they are a tenant's messages. */
export function problemsOf(issues: readonly BaseIssue<unknown>[]): Found {
  return issues.map((issue) => {
    const path = getDotPath(issue) ?? ''
    if (issue.type === 'strict_object' && issue.expected === 'never') {
      const field = String(issue.path?.at(-1)?.key)
      return {
        code: 'UNKNOWN_FIELD',
        path,
        message: `unknown field "${field}"; remove it or check its spelling`,
      }
    }
    const isOwnWords = !issue.message.startsWith('Invalid ')
    return {
      code: issue.type.toUpperCase(),
      path,
      message: isOwnWords ? issue.message : `expected ${issue.expected ?? issue.type}`,
    }
  })
}
