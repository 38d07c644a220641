/** Why a call to the control plane's API failed, in one shape whatever the cause. */
import type { ProblemDetails } from '@cellplane/contract/http'

/**
 * `code` is the answer's problem code (`NOT_FOUND`, `CELL_HOLDS_WORK`, …), or one of ours:
 * - `UNREACHABLE`: no connection, or it broke before the answer was complete; a write may or may not have happened.
 * - `TIMEOUT`: no complete answer in time; a write may or may not have happened.
 * - `ABORTED`: the caller's own signal.
 * - `ANSWER_INVALID`: whoever answered does not speak this API, or another version of it.
 */
export class ApiError extends Error {
  override name = 'ApiError'
  readonly code: string
  /** HTTP status; undefined when there was no answer. */
  readonly status: number | undefined
  /** The problem details of the answer, where it had them. */
  readonly problem: ProblemDetails | undefined

  constructor(
    code: string,
    message: string,
    more: { status?: number; problem?: ProblemDetails; cause?: unknown } = {},
  ) {
    super(message, more.cause === undefined ? {} : { cause: more.cause })
    this.code = code
    this.status = more.status
    this.problem = more.problem
  }
}
