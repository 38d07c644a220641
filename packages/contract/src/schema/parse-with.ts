/** Applies a schema: a value, or every problem with its path and what was found there. */
import * as v from 'valibot'
import { formatPath, type Parsed, PROBLEMS_MAX, type Problem, parsed, problem } from '../problem.ts'

type Issue = v.BaseIssue<unknown>

/**
 * A rule's problems have the code that the rule names; the other codes are INVALID_TYPE, INVALID_VALUE, UNKNOWN_FIELD,
 * TOO_SMALL, TOO_LARGE and INVALID_FORMAT.
 */
export function parseWith<T>(schema: v.GenericSchema<unknown, T>, input: unknown): Parsed<T> {
  const { success, output, issues } = v.safeParse(schema, input)
  if (success) return parsed(output)
  return { ok: false, problems: issues.slice(0, PROBLEMS_MAX).map((issue) => toProblem(issue, input)) }
}

function toProblem(issue: Issue, input: unknown): Problem {
  const keys = issue.path?.map((item) => item.key as PropertyKey) ?? []
  const path = formatPath(keys)
  const found = (code: string, expected: string) =>
    problem(code, path, `found ${describe(valueAt(input, keys))}; ${expected}`)
  switch (issue.type) {
    case 'min_value':
    case 'min_length':
      return found('TOO_SMALL', `expected at least ${limitOf(issue)}`)
    case 'gt_value':
      return found('TOO_SMALL', `expected more than ${limitOf(issue)}`)
    case 'max_value':
    case 'max_length':
      return found('TOO_LARGE', `expected at most ${limitOf(issue)}`)
    case 'safe_integer':
      return Number.isInteger(issue.input)
        ? found('TOO_LARGE', 'expected a whole number of at most 15 digits')
        : found('INVALID_TYPE', 'expected a whole number')
    case 'picklist':
    case 'literal':
      return found('INVALID_VALUE', `expected ${alternativesOf(issue)}`)
    case 'variant':
      return found(
        'INVALID_TYPE',
        `expected ${issue.expected === 'Object' ? 'a mapping' : alternativesOf(issue)}`,
      )
    case 'regex':
    case 'INVALID_FORMAT':
      return found('INVALID_FORMAT', issue.message)
    case 'starts_with':
      return found('INVALID_FORMAT', `expected a text that starts with ${issue.expected}`)
    case 'url':
      return found('INVALID_FORMAT', 'a URL is expected')
    case 'invalid_key':
      return problem('INVALID_FORMAT', path, issue.message)
    case 'check':
      return problem('INVALID_VALUE', path, issue.message)
    case 'union':
      return found('INVALID_TYPE', 'which is none of the allowed forms')
    default: {
      const expected = TYPES.get(issue.type)
      if (expected) return found('INVALID_TYPE', `expected ${expected}`)
      return problem(/^[A-Z_]+$/.test(issue.type) ? issue.type : 'INVALID_VALUE', path, issue.message)
    }
  }
}

/** What schemas and their actions expect, in the words of `describe`. */
const TYPES: ReadonlyMap<string, string> = new Map([
  ['string', 'a text'],
  ['boolean', 'true or false'],
  ['number', 'a number'],
  ['finite', 'a number'],
  ['to_number', 'a number'],
  ['null', 'null'],
  ['array', 'a list'],
  ['object', 'a mapping'],
  ['strict_object', 'a mapping'],
  ['record', 'a mapping'],
])

/** `("a" | "b")` → `"a" or "b"`. */
const alternativesOf = ({ expected }: Issue) =>
  (expected ?? '').replaceAll(/[()]/g, '').replaceAll(' | ', ' or ')

function limitOf({ requirement, input }: Issue): string {
  const unit = typeof input === 'string' ? ' characters' : Array.isArray(input) ? ' items' : ''
  return `${requirement}${unit}`
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
  // JSON has no words for Infinity and NaN.
  const text = typeof value === 'string' ? JSON.stringify(value) : String(value)
  return text.length > 60 ? `${text.slice(0, 57)}…` : text
}
