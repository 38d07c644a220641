/** An operation's input: path, query and body parsed by the table's schemas, every problem reported at once. */
import { type Parsed, parsed, parseWith, problem, refused } from '@cellplane/contract'
import type { Operation } from '@cellplane/contract/api'
import type { Context } from 'hono'
import type { GenericSchema } from 'valibot'

/** All problems of path, query and body at once, the former two under `path.` and `query.`. */
export async function readInput(
  c: Context,
  operation: Operation,
): Promise<Parsed<{ params: unknown; query: unknown; body: unknown }>> {
  const parts = [
    under('path', read(operation.params, c.req.param())),
    under('query', read(operation.query, c.req.query())),
    operation.body ? await readBody(c, operation.body) : parsed(undefined),
  ] as const
  const problems = parts.flatMap((part) => (part.ok ? [] : part.problems))
  if (problems.length > 0) return { ok: false, problems }
  const [params, query, body] = parts.map((part) => (part.ok ? part.value : undefined))
  return parsed({ params, query, body })
}

async function readBody(c: Context, schema: GenericSchema): Promise<Parsed<unknown>> {
  const text = await c.req.text()
  try {
    return parseWith(schema, text === '' ? {} : JSON.parse(text))
  } catch (error) {
    return refused(problem('INVALID_JSON', '', `the body is not JSON: ${(error as Error).message}`))
  }
}

function read(schema: GenericSchema | undefined, input: unknown): Parsed<unknown> {
  return schema ? parseWith(schema, input) : parsed(undefined)
}

function under(place: string, result: Parsed<unknown>): Parsed<unknown> {
  if (result.ok) return result
  return { ok: false, problems: result.problems.map((one) => ({ ...one, path: `${place}.${one.path}` })) }
}

/** `/v1/cells/{cell}` → `/v1/cells/:cell`. */
export const honoPath = (path: string) => path.replaceAll(/\{(\w+)\}/g, ':$1')
