/** What a cell's health path answers: 200 when it serves, 503 when not, with each dependency's own state. A plain 2xx without a body is healthy too. */
import { z } from 'zod'

export const cellHealthSchema = z.object({
  status: z.enum(['ok', 'failing', 'stopping']),
  cell: z.string(),
  release: z.string(),
  dependencies: z.record(
    z.string(),
    z.object({ status: z.enum(['ok', 'failing']), latency_ms: z.number(), error: z.string().optional() }),
  ),
})
export type CellHealth = z.infer<typeof cellHealthSchema>
