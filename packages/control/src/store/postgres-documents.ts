/** The verbs of the store as SQL, over anything that runs a query: the pool for reads, the lease's connection for writes. */
import { formatProblems, parseWith } from '@cellplane/contract'
import pg from 'pg'
import {
  type Collection,
  type InvalidRow,
  type Page,
  type Rows,
  StoreRowInvalid,
  StoreUnavailable,
  type StoreWriter,
} from './store.ts'

type Queryable = {
  query(sql: string, values: unknown[]): Promise<{ rows: { key: string; document: unknown }[] }>
}

/** `onInvalidRow` hears of every row that could not be parsed, whether or not the caller goes on without it. */
export function documentsOf(database: Queryable, onInvalidRow: (row: InvalidRow) => void): StoreWriter {
  const run = async (sql: string, values: unknown[]) => {
    try {
      return (await database.query(sql, values)).rows
    } catch (error) {
      throw toStoreError(error)
    }
  }
  return {
    async get(collection, key) {
      const rows = await run(`SELECT key, document FROM ${collection.table} WHERE key = $1`, [key])
      const { rows: good, invalid } = parseRows(collection, rows, onInvalidRow)
      if (invalid[0]) throw new StoreRowInvalid(invalid[0])
      return good[0]?.value
    },
    async list(collection, page = {}) {
      return parseRows(collection, await run(...listQuery(collection, page)), onInvalidRow)
    },
    async count(collection) {
      const rows = await run(`SELECT '' AS key, to_json(count(*)) AS document FROM ${collection.table}`, [])
      return Number(rows[0]?.document)
    },
    async put(collection, key, value) {
      // What would not be read again must not be stored: it would hold up every start from then on.
      const checked = parseWith(collection.schema, value)
      if (!checked.ok) {
        const problems = formatProblems(checked.problems).replaceAll('\n', '; ')
        throw new Error(`table ${collection.table}, key ${JSON.stringify(key)} is not stored: ${problems}`)
      }
      await run(
        `INSERT INTO ${collection.table} (key, document) VALUES ($1, $2)
         ON CONFLICT (key) DO UPDATE SET document = excluded.document`,
        [key, JSON.stringify(value)],
      )
    },
    async remove(collection, key) {
      await run(`DELETE FROM ${collection.table} WHERE key = $1`, [key])
    },
  }
}

/** Table names are constants of `collections.ts`, never input. */
function listQuery(collection: Collection<unknown>, page: Page): [string, unknown[]] {
  const descending = page.order === 'descending'
  const values: unknown[] = []
  let sql = `SELECT key, document FROM ${collection.table}`
  if (page.after !== undefined) sql += ` WHERE key ${descending ? '<' : '>'} $${values.push(page.after)}`
  sql += ` ORDER BY key ${descending ? 'DESC' : 'ASC'}`
  if (page.limit !== undefined) sql += ` LIMIT $${values.push(page.limit)}`
  return [sql, values]
}

function parseRows<T>(
  collection: Collection<T>,
  found: { key: string; document: unknown }[],
  onInvalidRow: (row: InvalidRow) => void,
): Rows<T> {
  const result: Rows<T> = { rows: [], invalid: [] }
  for (const { key, document } of found) {
    const value = parseWith(collection.schema, document)
    if (value.ok) result.rows.push({ key, value: value.value })
    else result.invalid.push({ table: collection.table, key, problems: value.problems })
  }
  result.invalid.forEach(onInvalidRow)
  return result
}

/** SQLSTATE classes of a server that is gone, full or going down; a statement that it refused is a bug of ours and stays what it is. */
const UNAVAILABLE = /^(08|53|57)/

export function toStoreError(error: unknown): unknown {
  if (error instanceof pg.DatabaseError && !UNAVAILABLE.test(error.code ?? '')) return error
  const { message } = error as Error
  return new StoreUnavailable(`the database does not answer: ${message}`, { cause: error })
}
