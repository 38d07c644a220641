/** Request bodies: bounded while they are read, JSON, and parsed with every problem named. */
import type { Context } from 'hono'
import { bodyLimit } from 'hono/body-limit'
import type { z } from 'zod'
import { problemsOf, refuse } from './problems.ts'

/** The longest body text in UTF-8, escaped, with room for the data of a template. */
const BODY_BYTES_MAX = 512 * 1024

export const limitBody = bodyLimit({
  maxSize: BODY_BYTES_MAX,
  onError: () => {
    throw refuse('BODY_TOO_LARGE', `a body has at most ${BODY_BYTES_MAX} bytes`)
  },
})

export async function readJson<T>(c: Context, schema: z.ZodType<T>): Promise<T> {
  return parseJson(await c.req.text(), schema)
}

export function parseJson<T>(text: string, schema: z.ZodType<T>): T {
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch (error) {
    throw refuse('INVALID_REQUEST', `the body is not JSON: ${(error as Error).message}`)
  }
  const parsed = schema.safeParse(value)
  if (!parsed.success) throw refuse('INVALID_REQUEST', 'the body is not valid', problemsOf(parsed.error))
  return parsed.data
}
