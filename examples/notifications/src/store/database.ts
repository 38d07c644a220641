/**
 * The cell's own PostgreSQL. The pool reconnects by itself; a statement that cannot be answered fails soon, so that callers
 * hear a 503 instead of waiting, and their client tries the shard's other cell.
 */
import { Pool, type PoolClient } from 'pg'

export type Database = {
  query<Row>(text: string, values?: unknown[]): Promise<Row[]>
  /** One connection, one transaction: committed when `work` resolves, rolled back when it rejects. */
  transaction<T>(work: (query: Database['query']) => Promise<T>): Promise<T>
  close(): Promise<void>
}

export type DatabaseOptions = {
  url: string
  /** Shows in pg_stat_activity. */
  name: string
  /** A backend takes some 3 MB; a cell has a few tens of MB for all of its PostgreSQL. */
  connectionsMax: number
  /** A connection was lost while nobody used it. */
  onIdleError: (error: Error) => void
}

/** PostgreSQL on the same host accepts in under 1 ms; while it restarts, callers should not queue up. */
const CONNECT_TIMEOUT_MS = 2000
/** Every statement here is indexed and small. Below a router's patience, so that our own 503 arrives first. */
const STATEMENT_TIMEOUT_MS = 4000
/** For a server that is stopped rather than slow: it does not keep its own timeout. */
const ANSWER_TIMEOUT_MS = STATEMENT_TIMEOUT_MS + 500

export function openDatabase(options: DatabaseOptions): Database {
  const pool = new Pool({
    connectionString: options.url,
    application_name: options.name,
    max: options.connectionsMax,
    connectionTimeoutMillis: CONNECT_TIMEOUT_MS,
    statement_timeout: STATEMENT_TIMEOUT_MS,
    query_timeout: ANSWER_TIMEOUT_MS,
  })
  pool.on('error', options.onIdleError)

  return {
    async query<Row>(text: string, values: unknown[] = []) {
      const { rows } = await pool.query(text, values)
      return rows as Row[]
    },
    async transaction(work) {
      const client = await pool.connect()
      // Between checkout and release an error of the connection is ours to hear; the statement that meets it fails too.
      const onError = () => {}
      client.on('error', onError)
      let broken: Error | undefined
      try {
        await client.query('BEGIN')
        const result = await work(queryOf(client))
        await client.query('COMMIT')
        return result
      } catch (error) {
        await client.query('ROLLBACK').catch((cause: Error) => {
          broken = cause
        })
        throw error
      } finally {
        client.off('error', onError)
        client.release(broken)
      }
    },
    close: () => pool.end(),
  }
}

function queryOf(client: PoolClient): Database['query'] {
  return async <Row>(text: string, values: unknown[] = []) => {
    const { rows } = await client.query(text, values)
    return rows as Row[]
  }
}

/** SQLSTATE: connection exceptions, no resources, shutting down or starting up, statement timeout. */
const UNAVAILABLE_STATES = /^(08|53|57P0|57014)/
/** What the operating system and the driver say. */
const UNAVAILABLE_ERRNO = /^(ECONN|EPIPE|ETIMEDOUT|EHOSTUNREACH|ENETUNREACH)/
const UNAVAILABLE_MESSAGE =
  /connection terminated|connection error|timeout exceeded|read timeout|timeout expired/i

/** Whether the store did not answer, as opposed to answering that the statement is wrong. Whether it did the work is unknown. */
export function isStoreUnavailable(error: unknown): boolean {
  if (!(error instanceof Error)) return false
  const code = (error as { code?: unknown }).code
  if (typeof code === 'string' && (UNAVAILABLE_STATES.test(code) || UNAVAILABLE_ERRNO.test(code))) return true
  return UNAVAILABLE_MESSAGE.test(error.message)
}
