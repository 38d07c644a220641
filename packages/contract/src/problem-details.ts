/** RFC 9457 problem details, as the control plane, the router and the cell kit answer them. */
import { z } from 'zod'

export * from './problem-codes.ts'

export const problemDetailsSchema = z
  .object({
    type: z.string(),
    title: z.string(),
    status: z.int(),
    detail: z.string(),
    code: z.string(),
    request_id: z.string().optional(),
    cell: z.string().optional(),
    problems: z.array(z.object({ code: z.string(), path: z.string(), message: z.string() })).optional(),
  })
  .meta({ id: 'ProblemDetails', description: 'RFC 9457 problem details' })

export type ProblemDetails = z.infer<typeof problemDetailsSchema>
