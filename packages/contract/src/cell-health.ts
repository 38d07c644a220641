/** What a cell's health path answers: 200 when it serves, 503 when not, with each dependency's own state. A plain 2xx without a body is healthy too. */
import * as v from 'valibot'
import { finite, object, record } from './schema/index.ts'

export const cellHealthSchema = object({
  status: v.picklist(['ok', 'failing', 'stopping']),
  cell: v.string(),
  release: v.string(),
  dependencies: record(
    v.string(),
    object({ status: v.picklist(['ok', 'failing']), latency_ms: finite, error: v.optional(v.string()) }),
  ),
})
export type CellHealth = v.InferOutput<typeof cellHealthSchema>
