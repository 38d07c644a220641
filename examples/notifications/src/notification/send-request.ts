/** What a sender may ask for: the body of POST /v1/notifications, parsed strictly, with every problem and its path. */
import { createHash } from 'node:crypto'
import * as v from 'valibot'
import { CHANNELS, type Channel } from './notification.ts'

/** A long e-mail in plain text. SMS and push providers cut at a few KB themselves. */
export const BODY_CHARACTERS_MAX = 65_536
/** RFC 5322's limit on a line. */
const SUBJECT_CHARACTERS_MAX = 998
/** Tokens of push services reach a few hundred bytes. */
const RECIPIENT_CHARACTERS_MAX = 1024

/** Line breaks would let a subject add headers of its own; a NUL cannot be stored. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: refusing them is the point
const ONE_LINE = /^[^\u0000-\u001f\u007f]*$/
// biome-ignore lint/suspicious/noControlCharactersInRegex: refusing them is the point
const TEXT = /^[^\u0000-\u0008\u000b\u000c\u000e-\u001f\u007f]*$/

/** One address, in its common form: no display names, no lists, nothing that a mail server would read as two. */
const EMAIL = /^[^\s@<>(),;:"[\]\\]{1,64}@[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)+$/
/** E.164. */
const PHONE = /^\+[1-9]\d{6,14}$/
const DEVICE = /^[\x21-\x7e]+$/

const RECIPIENTS: Record<Channel, { pattern: RegExp; expected: string }> = {
  email: { pattern: EMAIL, expected: 'one e-mail address, such as "ada@example.org"' },
  sms: { pattern: PHONE, expected: 'a phone number in E.164 form, such as "+4915112345678"' },
  push: { pattern: DEVICE, expected: 'a device token without spaces' },
}

export const SHA256 = /^[0-9a-f]{64}$/

const TIME = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?(?:Z|[+-]\d\d:\d\d)$/

const textSchema = v.pipe(
  v.string(),
  v.maxLength(BODY_CHARACTERS_MAX),
  v.regex(TEXT, 'control characters are not allowed'),
)
const bodySchema = v.pipe(textSchema, v.minLength(1))
const subjectSchema = v.pipe(
  v.string(),
  v.maxLength(SUBJECT_CHARACTERS_MAX),
  v.regex(ONE_LINE, 'one line without control characters'),
)

/** What fills a template's {{names}}. */
const dataSchema = v.pipe(
  v.record(
    v.pipe(v.string(), v.regex(/^[a-z][a-z0-9_]{0,63}$/, 'a name is a–z, 0–9 and "_"')),
    v.union([textSchema, v.pipe(v.number(), v.finite()), v.boolean()]),
  ),
  v.maxEntries(100, 'at most 100 values'),
)

export const templateSchema = v.strictObject({ subject: v.optional(subjectSchema), body: bodySchema })
export type Template = v.InferOutput<typeof templateSchema>

/** RFC 3339, in UTC or with an offset. */
const timeSchema = v.pipe(
  v.string(),
  v.check(
    (time) => TIME.test(time) && !Number.isNaN(Date.parse(time)),
    'expected a time such as "2026-03-01T12:00:00Z"',
  ),
)

export const sendRequestSchema = v.pipe(
  v.strictObject({
    channel: v.picklist(CHANNELS),
    to: v.pipe(v.string(), v.maxLength(RECIPIENT_CHARACTERS_MAX)),
    template: v.optional(
      v.pipe(
        v.string(),
        v.regex(SHA256, 'a template is named by the SHA-256 of its content, 64 hexadecimal digits'),
      ),
    ),
    data: v.optional(dataSchema),
    subject: v.optional(subjectSchema),
    body: v.optional(bodySchema),
    deliver_before: v.optional(timeSchema),
  }),
  v.forward(
    v.check(
      ({ channel, to }) => RECIPIENTS[channel].pattern.test(to),
      ({ input }) => `expected ${RECIPIENTS[input.channel].expected}`,
    ),
    ['to'],
  ),
  v.forward(
    v.check(
      ({ template, body }) => (template === undefined) !== (body === undefined),
      'expected either "body" or "template"',
    ),
    ['body'],
  ),
  v.forward(
    v.check(
      ({ template, subject }) => template === undefined || subject === undefined,
      'the template has the subject; leave it out here',
    ),
    ['subject'],
  ),
  v.forward(
    v.check(
      ({ template, data }) => template !== undefined || data === undefined,
      'without a template there is nothing to fill; leave it out',
    ),
    ['data'],
  ),
)
export type SendRequest = v.InferOutput<typeof sendRequestSchema>

/** Printable ASCII, as the IETF's draft on the Idempotency-Key header has it. */
export const IDEMPOTENCY_KEY = /^[\x21-\x7e]{1,255}$/

/** Equal for equal requests, whatever the order of their fields. Tells a repetition from a key that is used twice. */
export function digestOf(request: SendRequest): string {
  const sorted = (value: unknown): unknown =>
    typeof value === 'object' && value !== null
      ? Object.entries(value)
          .sort(([a], [b]) => (a < b ? -1 : 1))
          .map(([name, inner]) => [name, sorted(inner)])
      : value
  return createHash('sha256')
    .update(JSON.stringify(sorted(request)))
    .digest('hex')
}
