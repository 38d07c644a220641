/**
 * Problems: what is wrong with an input, said once and in one shape.
 *
 * Every parser in this package returns all the problems it finds, each with the path to the value, and never
 * throws for bad input. `code` is a contract (scripts may test for it); `message` says what, found, expected and
 * remedy, and may be reworded.
 */
export type Problem = {
  /** Stable, SCREAMING_SNAKE. */
  code: string
  /** Where in the document: `cells.list[2].zone`; the empty string is the document itself. */
  path: string
  message: string
}

export type Parsed<T> = { ok: true; value: T } | { ok: false; problems: Problem[] }

export const parsed = <T>(value: T): Parsed<T> => ({ ok: true, value })
export const refused = (...problems: Problem[]): Parsed<never> => ({ ok: false, problems })
export const problem = (code: string, path: string, message: string): Problem => ({ code, path, message })

/** The most problems that one parse reports: a hostile document must not cost megabytes of complaints. */
export const PROBLEMS_MAX = 100

/** One line per problem, for a terminal or a log. */
export function formatProblems(problems: readonly Problem[]): string {
  return problems.map((p) => (p.path === '' ? p.message : `${p.path}: ${p.message}`)).join('\n')
}

/** `['cells', 'list', 2, 'zone']` → `cells.list[2].zone`. */
export function formatPath(path: readonly PropertyKey[]): string {
  return path.reduce<string>(
    (text, key) =>
      text + (typeof key === 'number' ? `[${key}]` : text === '' ? String(key) : `.${String(key)}`),
    '',
  )
}
