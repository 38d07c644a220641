/** RFC 9457 problem details, as the control plane, the router and the cell kit answer them. */
import * as v from 'valibot'
import { int, list, object } from './schema/index.ts'

export * from './problem-codes.ts'

export const problemDetailsSchema = v.pipe(
  object({
    type: v.string(),
    title: v.string(),
    status: int(),
    detail: v.string(),
    code: v.string(),
    request_id: v.optional(v.string()),
    cell: v.optional(v.string()),
    problems: v.optional(list(object({ code: v.string(), path: v.string(), message: v.string() }))),
  }),
  v.metadata({ id: 'ProblemDetails', description: 'RFC 9457 problem details' }),
)

export type ProblemDetails = v.InferOutput<typeof problemDetailsSchema>
