/** What a sender may ask for: the body of POST /v1/notifications, parsed strictly, with every problem and its path. */
import { createHash } from 'node:crypto'
import { z } from 'zod'
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

const textSchema = z.string().max(BODY_CHARACTERS_MAX).regex(TEXT, 'control characters are not allowed')
const subjectSchema = z
  .string()
  .max(SUBJECT_CHARACTERS_MAX)
  .regex(ONE_LINE, 'one line without control characters')

/** What fills a template's {{names}}. */
const dataSchema = z
  .record(
    z.string().regex(/^[a-z][a-z0-9_]{0,63}$/, 'a name is a–z, 0–9 and "_"'),
    z.union([textSchema, z.number(), z.boolean()]),
  )
  .refine((data) => Object.keys(data).length <= 100, 'at most 100 values')

export const templateSchema = z.strictObject({ subject: subjectSchema.optional(), body: textSchema.min(1) })
export type Template = z.infer<typeof templateSchema>

export const sendRequestSchema = z
  .strictObject({
    channel: z.enum(CHANNELS),
    to: z.string().max(RECIPIENT_CHARACTERS_MAX),
    template: z
      .string()
      .regex(SHA256, 'a template is named by the SHA-256 of its content, 64 hexadecimal digits')
      .optional(),
    data: dataSchema.optional(),
    subject: subjectSchema.optional(),
    body: textSchema.min(1).optional(),
    deliver_before: z.iso.datetime({ offset: true }).optional(),
  })
  .superRefine((request, ctx) => {
    const { pattern, expected } = RECIPIENTS[request.channel]
    if (!pattern.test(request.to))
      ctx.addIssue({ code: 'custom', path: ['to'], message: `expected ${expected}` })
    if ((request.template === undefined) === (request.body === undefined)) {
      ctx.addIssue({ code: 'custom', path: ['body'], message: 'expected either "body" or "template"' })
    }
    if (request.template !== undefined && request.subject !== undefined) {
      ctx.addIssue({
        code: 'custom',
        path: ['subject'],
        message: 'the template has the subject; leave it out here',
      })
    }
    if (request.template === undefined && request.data !== undefined) {
      ctx.addIssue({
        code: 'custom',
        path: ['data'],
        message: 'without a template there is nothing to fill; leave it out',
      })
    }
  })
export type SendRequest = z.infer<typeof sendRequestSchema>

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
