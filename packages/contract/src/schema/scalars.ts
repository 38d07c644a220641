/**
 * Texts and numbers that many fields share. Limits stand in the schema, so that the printed JSON Schema has them too.
 */
import * as v from 'valibot'
import { isHttpUrl, isReceiverUrl } from '../receiver-url.ts'
import { issueOf } from './issue.ts'

const string = v.string()
const number = v.number()
const safeInteger = v.safeInteger()

/** Infinity is a number to JSON.parse (`1e999`) and to YAML (`.inf`), but none to count or to wait by. */
export const finite = v.pipe(number, v.finite())

export const atLeast = (min: number) => v.pipe(finite, v.minValue(min))
export const between = (min: number, max: number) => v.pipe(number, v.minValue(min), v.maxValue(max))
export const positive = v.pipe(finite, v.gtValue(0))

export function int(min = Number.MIN_SAFE_INTEGER, max = Number.MAX_SAFE_INTEGER): v.GenericSchema<number> {
  if (max !== Number.MAX_SAFE_INTEGER) return v.pipe(number, safeInteger, v.minValue(min), v.maxValue(max))
  return min === Number.MIN_SAFE_INTEGER
    ? v.pipe(number, safeInteger)
    : v.pipe(number, safeInteger, v.minValue(min))
}
/** A whole number that counts something. */
export const count = int(0)
export const positiveInt = int(1)

/** Limits are characters (UTF-16 code units), both included. */
export const text = (min: number, max: number): v.GenericSchema<string> =>
  min === 0 ? v.pipe(string, v.maxLength(max)) : v.pipe(string, v.minLength(min), v.maxLength(max))

/** Says what a field is for, to readers of the printed JSON Schema. */
export const about = <const S extends v.GenericSchema>(schema: S, description: string) =>
  v.pipe(schema, v.description(description))

/**
 * A rule that no schema has words for: `whyNot` tells what is wrong, or undefined. Its code is the issue's type, where
 * `parseWith` finds it.
 */
export function rule<T>(
  code: Uppercase<string>,
  whyNot: (value: T) => string | undefined,
): v.GenericValidation<T> {
  return {
    kind: 'validation',
    type: code,
    reference: rule as never,
    async: false,
    expects: null,
    '~run'(dataset) {
      const message = dataset.typed ? whyNot(dataset.value) : undefined
      if (message === undefined) return dataset
      const issue = issueOf(code, dataset.value, message)
      if (dataset.issues) dataset.issues.push(issue)
      else Object.assign(dataset, { issues: [issue] })
      return dataset
    },
  }
}

/** A URL of the web, as it is given: nothing is trimmed, completed or escaped. */
export const httpUrl = v.pipe(
  string,
  rule('INVALID_FORMAT', (url) => (isHttpUrl(url) ? undefined : 'an http or https URL is expected')),
  v.metadata({ format: 'uri' }),
)

/** A URL that something is sent to. What was found is not repeated: it may hold a password. */
export const receiverUrl = v.pipe(
  string,
  v.check(isReceiverUrl, 'expected an http or https URL without user and password'),
  v.metadata({ format: 'uri' }),
)

/** The same, that paths are put after. */
export const receiverBaseUrl = v.pipe(
  string,
  v.check(
    (url) => isReceiverUrl(url) && !/[?#]/.test(url),
    'expected an http or https URL without user, password, query and fragment',
  ),
  v.metadata({ format: 'uri' }),
)

const DATE_TIME = /^(\d{4})-(\d\d)-(\d\d)T(?:[01]\d|2[0-3]):[0-5]\d:[0-5]\d(?:\.\d+)?Z$/

/** RFC 3339 in UTC, so that texts sort as times do. */
export const dateTime = v.pipe(
  string,
  rule('INVALID_FORMAT', (time) =>
    isDateTime(time) ? undefined : 'a time such as 2026-03-01T12:00:00Z is expected',
  ),
  v.metadata({ format: 'date-time' }),
)

function isDateTime(time: string): boolean {
  const [, year, month, day] = DATE_TIME.exec(time) ?? []
  if (day === undefined) return false
  // Date.UTC carries the 31st of a short month over into the next one.
  const date = new Date(Date.UTC(Number(year), Number(month) - 1, Number(day)))
  return date.getUTCMonth() === Number(month) - 1 && date.getUTCDate() === Number(day)
}
