/**
 * How a command fails: one message that says what, found, expected and remedy; a code for scripts; an exit status.
 *
 *     1   the command could not do what was asked
 *     2   it was not asked rightly: unknown flags, bad arguments
 *     130 it was interrupted before it was done
 */
import { ApiError } from '@cellplane/client'
import type { Problem } from '@cellplane/contract'
import { printable } from './output/printable.ts'
import { errorStyle } from './output/style.ts'

export const EXIT = { failed: 1, usage: 2, interrupted: 130 } as const

/** An expected failure. Anything else that is thrown is a bug, and is printed as one. */
export class Failure extends Error {
  override name = 'Failure'
  readonly code: string
  /** Every problem of a document, with its path. */
  readonly problems: readonly Problem[]
  readonly exitCode: number

  constructor(
    code: string,
    message: string,
    more: { problems?: readonly Problem[]; exitCode?: number; cause?: unknown } = {},
  ) {
    super(message, more.cause === undefined ? {} : { cause: more.cause })
    this.code = code
    this.problems = more.problems ?? []
    this.exitCode = more.exitCode ?? EXIT.failed
  }
}

/** The command was not asked rightly. */
export function usageFailure(message: string): Failure {
  return new Failure('USAGE', message, { exitCode: EXIT.usage })
}

/** Writes the failure to stderr, as text or as `{"error": …}`, and returns the exit status. */
export function reportFailure(
  error: unknown,
  isJson: boolean,
  write = (text: string) => void process.stderr.write(text),
): number {
  const failure = toFailure(error)
  if (isJson) {
    const { code, message, problems } = failure
    write(`${JSON.stringify({ error: { code, message, problems } })}\n`)
  } else {
    const lines = [failure.message, ...failure.problems.map(formatProblem)]
    write(`${errorStyle('error:')} ${lines.map(printable).join('\n  ')}\n`)
  }
  return failure.exitCode
}

function formatProblem({ path, message }: Problem): string {
  return path === '' ? message : `${path}: ${message}`
}

function toFailure(error: unknown): Failure {
  if (error instanceof Failure) return error
  if (error instanceof ApiError) return fromApi(error)
  const { message } = error instanceof Error ? error : { message: String(error) }
  return new Failure('INTERNAL', `${message} (this should not happen; please report it)`, { cause: error })
}

/** What a person can do about a refusal, beyond what the control plane says itself. */
const REMEDIES: Readonly<Record<string, string>> = {
  TOKEN_MISSING: 'give the token of an operator with --token-file or CELLPLANE_TOKEN',
  TOKEN_INVALID: 'the token is of another fleet, or its file was replaced; see `cellplane token --admin`',
  FORBIDDEN: 'this needs the admin token; see `cellplane token --admin`',
  UNREACHABLE: 'see `cellplane status`, or start the fleet with `cellplane up`',
  TIMEOUT: 'a change may have happened all the same: look before you repeat it',
}

function fromApi(error: ApiError): Failure {
  const remedy = REMEDIES[error.code]
  // The error's own message repeats its problems, which are printed, and given to scripts, apart from it.
  const detail = error.problem?.detail ?? error.message
  const problems = (error.problem?.problems ?? []).filter(({ message }) => message !== detail)
  return new Failure(error.code, remedy ? `${detail}; ${remedy}` : detail, { problems, cause: error })
}
