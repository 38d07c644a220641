/** A lint: a remark about a fleet that works, but will not work well. An error among them fails `plan`. */
import { type Problem, problem } from '@cellplane/contract'

export type Lint = Problem & { severity: 'error' | 'warning' }

export const lint = {
  error: (code: string, path: string, message: string): Lint => ({
    ...problem(code, path, message),
    severity: 'error',
  }),
  warning: (code: string, path: string, message: string): Lint => ({
    ...problem(code, path, message),
    severity: 'warning',
  }),
}
