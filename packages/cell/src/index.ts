/**
 * @cellplane/cell: what a service adds to be a good cell.
 *
 *     const cell = createCell(cellConfigFromEnv(process.env), { dependencies: { postgres: () => pool.query('SELECT 1') } })
 *     const admission = await cell.admit(request.headers, { method: request.method })
 *     if (!admission.ok) return answer(admission.problem, admission.headers)
 */
export type { Admission, AdmissionRequest, Admitted, Refused } from './admission/admit.ts'
export type { HeaderSource } from './admission/header-source.ts'
export { type Cell, type CellOptions, createCell } from './cell.ts'
export type { TokenConfig } from './config.ts'
export { createMemoryHomeRegister, type Home, type HomeRegister } from './homes/home-register.ts'
export {
  createPostgresHomeRegister,
  holdHome,
  type PostgresHomeRegister,
  type Queryable,
} from './homes/postgres.ts'
export * from './process.ts'
