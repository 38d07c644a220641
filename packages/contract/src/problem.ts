/**
 * Problems: what is wrong with an input, said once and in one shape.
 *
 * Every parser in this package returns all the problems it finds, each with the path to the value, and never
 * throws for bad input. `code` is a contract (scripts may test for it); `message` says what, found, expected and
 * remedy, and may be reworded.
 */
import type { z } from 'zod'

export type Problem = {
  /** Stable, SCREAMING_SNAKE. */
  code: string
  /** Where in the document: `cells.list[2].zone`; the empty string is the document itself. */
  path: string
  message: string
}

export type Parsed<T> = { ok: true; value: T } | { ok: false; problems: Problem[] }

export const parsed = <T>(value: T): Parsed<T> => ({ ok: true, value })
export const refused = (...problems: Problem[]): Parsed<never> => ({ ok: false, problems })
export const problem = (code: string, path: string, message: string): Problem => ({ code, path, message })

/** The most problems that one parse reports: a hostile document must not cost megabytes of complaints. */
export const PROBLEMS_MAX = 100

/**
 * Parses `input` with a zod schema. A refinement may set its own code with `params: { code }`; the other codes
 * are INVALID_TYPE, INVALID_VALUE, UNKNOWN_FIELD, TOO_SMALL, TOO_LARGE and INVALID_FORMAT.
 */
export function parseWith<T>(schema: z.ZodType<T>, input: unknown): Parsed<T> {
  const result = schema.safeParse(input)
  if (result.success) return parsed(result.data)
  return {
    ok: false,
    problems: result.error.issues.flatMap((issue) => toProblems(issue, input)).slice(0, PROBLEMS_MAX),
  }
}

/** One line per problem, for a terminal or a log. */
export function formatProblems(problems: readonly Problem[]): string {
  return problems.map((p) => (p.path === '' ? p.message : `${p.path}: ${p.message}`)).join('\n')
}

/** `['cells', 'list', 2, 'zone']` → `cells.list[2].zone`. */
export function formatPath(path: readonly PropertyKey[]): string {
  return path.reduce<string>(
    (text, key) =>
      text + (typeof key === 'number' ? `[${key}]` : text === '' ? String(key) : `.${String(key)}`),
    '',
  )
}

function toProblems(issue: z.core.$ZodIssue, input: unknown): Problem[] {
  const path = formatPath(issue.path)
  const found = describe(valueAt(input, issue.path))
  switch (issue.code) {
    case 'unrecognized_keys':
      return issue.keys.map((key) =>
        problem(
          'UNKNOWN_FIELD',
          formatPath([...issue.path, key]),
          `unknown field "${key}"; remove it or check its spelling`,
        ),
      )
    case 'invalid_type':
      return [problem('INVALID_TYPE', path, `found ${found}; expected ${issue.expected}`)]
    case 'too_small':
      return [
        problem(
          'TOO_SMALL',
          path,
          `found ${found}; expected at least ${issue.minimum}${unitOf(issue.origin)}`,
        ),
      ]
    case 'too_big':
      return [
        problem(
          'TOO_LARGE',
          path,
          `found ${found}; expected at most ${issue.maximum}${unitOf(issue.origin)}`,
        ),
      ]
    case 'invalid_value':
      return [
        problem(
          'INVALID_VALUE',
          path,
          `found ${found}; expected ${issue.values.map((v) => JSON.stringify(v)).join(' or ')}`,
        ),
      ]
    case 'invalid_union':
      return unionProblems(issue, path, found, input)
    case 'invalid_format':
      return [problem('INVALID_FORMAT', path, `found ${found}; ${issue.message}`)]
    case 'invalid_key':
      return [
        problem(
          'INVALID_FORMAT',
          path,
          `the key ${JSON.stringify(issue.path.at(-1) ?? '')} is not allowed here`,
        ),
      ]
    case 'custom':
      return [problem(codeOf(issue.params), path, issue.message)]
    default:
      return [problem('INVALID_VALUE', path, `found ${found}; ${issue.message}`)]
  }
}

/** The branch that failed latest is the one that the author meant: report its problems, not every branch's. */
function unionProblems(
  issue: z.core.$ZodIssueInvalidUnion,
  path: string,
  found: string,
  input: unknown,
): Problem[] {
  const depth = (branch: z.core.$ZodIssue[]) => Math.max(0, ...branch.map((i) => i.path.length))
  const best = [...issue.errors].sort((a, b) => depth(b) - depth(a) || a.length - b.length)[0]
  if (!best || depth(best) === 0) {
    const tag =
      'discriminator' in issue && issue.discriminator
        ? `; "${String(issue.discriminator)}" decides which form it is`
        : ''
    return [problem('INVALID_TYPE', path, `found ${found}, which is none of the allowed forms${tag}`)]
  }
  return best.flatMap((inner) =>
    toProblems({ ...inner, path: [...issue.path, ...inner.path] } as z.core.$ZodIssue, input),
  )
}

function codeOf(params: Record<string, unknown> | undefined): string {
  return typeof params?.['code'] === 'string' ? params['code'] : 'INVALID_VALUE'
}

function unitOf(origin: string): string {
  return origin === 'string' ? ' characters' : origin === 'array' || origin === 'set' ? ' items' : ''
}

function valueAt(input: unknown, path: readonly PropertyKey[]): unknown {
  let value = input
  for (const key of path) {
    if (typeof value !== 'object' || value === null) return undefined
    value = (value as Record<PropertyKey, unknown>)[key]
  }
  return value
}

/** A short, safe description of a value: never more than 60 characters of it. */
function describe(value: unknown): string {
  if (value === undefined) return 'nothing'
  if (Array.isArray(value)) return `a list of ${value.length}`
  if (typeof value === 'object' && value !== null) return 'a mapping'
  const text = JSON.stringify(value) ?? String(value)
  return text.length > 60 ? `${text.slice(0, 57)}…` : text
}
