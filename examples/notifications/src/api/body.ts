/** Request bodies: bounded while they are read, JSON, and parsed with every problem named. */
import type { Context } from 'hono'
import * as v from 'valibot'
import { problemsOf, refuse } from './problems.ts'

/** The longest body text in UTF-8, escaped, with room for the data of a template. */
const BODY_BYTES_MAX = 512 * 1024

export async function readBody(c: Context): Promise<Buffer> {
  const tooLarge = () => refuse('BODY_TOO_LARGE', `a body has at most ${BODY_BYTES_MAX} bytes`)
  if (Number(c.req.header('content-length') ?? 0) > BODY_BYTES_MAX) throw tooLarge()
  const chunks: Uint8Array[] = []
  let bytes = 0
  for await (const chunk of c.req.raw.body ?? []) {
    bytes += chunk.byteLength
    if (bytes > BODY_BYTES_MAX) throw tooLarge()
    chunks.push(chunk)
  }
  return Buffer.concat(chunks)
}

export async function readJson<T>(c: Context, schema: v.GenericSchema<unknown, T>): Promise<T> {
  return parseJson(await readBody(c), schema)
}

export function parseJson<T>(content: Uint8Array, schema: v.GenericSchema<unknown, T>): T {
  let value: unknown
  try {
    value = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(content))
  } catch (error) {
    throw refuse('INVALID_REQUEST', `the body is not JSON in UTF-8: ${(error as Error).message}`)
  }
  const parsed = v.safeParse(schema, value)
  if (!parsed.success) throw refuse('INVALID_REQUEST', 'the body is not valid', problemsOf(parsed.issues))
  return parsed.output
}
