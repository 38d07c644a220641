/** An issue as valibot has it, made by the schemas and rules that are our own. */
import type { BaseIssue } from 'valibot'

/** `type` is a kind of schema, such as `array`, or the code that `parseWith` reports. The path is put before it by what holds the value. */
export const issueOf = (type: string, input: unknown, message: string): BaseIssue<unknown> => ({
  kind: 'validation',
  type,
  input,
  expected: null,
  received: '',
  message,
})
