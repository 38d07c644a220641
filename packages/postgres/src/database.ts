/** What is asked of a server over SQL before anyone uses it: is it ready, does the database exist, which server is it. */
import { Client, escapeIdentifier, escapeLiteral } from 'pg'

export type WaitReadyOptions = {
  /** Crash recovery replays at most `max_wal_size`: seconds. */
  timeoutMs?: number
  signal?: AbortSignal | undefined
  /** The server's own end, which ends the waiting. */
  exited?: Promise<unknown> | undefined
}

export type DatabaseOptions = {
  name: string
  /** A role that may log in, owns the database, and is no superuser. */
  owner: string
  ownerPassword: string
}

/** Length of a generated password, before encoding: as strong as the keys of this project. */
export const POSTGRES_PASSWORD_BYTES = 32

const READY_TIMEOUT_MS = 60_000
const READY_POLL_MS = 25
/** One try to connect. A server that accepts and says nothing is not ready. */
const CONNECT_TIMEOUT_MS = 5_000

/** SQLSTATEs of a server that is coming up: cannot_connect_now, and too_many_connections of a busy one. */
const NOT_YET = new Set(['57P03', '53300'])

/** Resolves when the server answers a query; rejects when it ends, refuses us (a wrong password), or is too slow. */
export async function waitReady(url: string, options: WaitReadyOptions = {}): Promise<void> {
  const timeoutMs = options.timeoutMs ?? READY_TIMEOUT_MS
  const deadline = performance.now() + timeoutMs
  let hasExited = false
  options.exited?.then(() => {
    hasExited = true
  })
  for (;;) {
    options.signal?.throwIfAborted()
    try {
      return await withClient(url, async (client) => void (await client.query('SELECT 1')))
    } catch (error) {
      if (hasExited)
        throw new Error(`the PostgreSQL server at ${placeOf(url)} ended while it started; see its log`)
      if (!isTransient(error)) {
        throw new Error(`the PostgreSQL server at ${placeOf(url)} refuses us: ${(error as Error).message}`, {
          cause: error,
        })
      }
      if (performance.now() > deadline) {
        throw new Error(
          `the PostgreSQL server at ${placeOf(url)} was not ready within ${timeoutMs} ms; see its log`,
          { cause: error },
        )
      }
    }
    await new Promise((resolve) => setTimeout(resolve, READY_POLL_MS))
  }
}

/** Makes the role and its database when absent, and gives the role this password. `adminUrl` is a superuser's. Safe to run twice. */
export async function ensureDatabase(adminUrl: string, options: DatabaseOptions): Promise<void> {
  const name = escapeIdentifier(options.name)
  const owner = escapeIdentifier(options.owner)
  await withClient(adminUrl, async (client) => {
    // The password below must not reach the server's log, which prints the statement of every error, and what a
    // backend that crashes was doing.
    await client.query(
      'SET log_min_error_statement = panic; SET log_statement = none; SET log_min_duration_statement = -1; SET track_activities = off',
    )
    const role = await client.query('SELECT 1 FROM pg_roles WHERE rolname = $1', [options.owner])
    if (role.rowCount === 0) await client.query(`CREATE ROLE ${owner} LOGIN`)
    await client.query(`ALTER ROLE ${owner} PASSWORD ${escapeLiteral(options.ownerPassword)}`)
    const database = await client.query('SELECT 1 FROM pg_database WHERE datname = $1', [options.name])
    if (database.rowCount === 0) await client.query(`CREATE DATABASE ${name} OWNER ${owner}`)
    await client.query(`REVOKE ALL ON DATABASE ${name} FROM PUBLIC`)
  })
}

/** The server's own name for itself, made at initdb: two addresses with one identifier are one server. */
export async function systemIdentifier(url: string): Promise<string> {
  return await withClient(url, async (client) => {
    const { rows } = await client.query<{ id: string }>(
      'SELECT system_identifier::text AS id FROM pg_control_system()',
    )
    return rows[0]!.id
  })
}

async function withClient<T>(url: string, use: (client: Client) => Promise<T>): Promise<T> {
  const client = new Client({ connectionString: url, connectionTimeoutMillis: CONNECT_TIMEOUT_MS })
  // A connection that breaks while idle emits an error besides failing the query; unhandled, it would end the process.
  client.on('error', () => {})
  try {
    await client.connect()
    return await use(client)
  } finally {
    await client.end().catch(() => {})
  }
}

/** A server's answer has a SQLSTATE; without one it is the network, which a starting server explains. */
function isTransient(error: unknown): boolean {
  const { code, severity } = error as { code?: string; severity?: string }
  return severity === undefined || NOT_YET.has(code ?? '')
}

/** host:port/database: a URL in a message would carry its password. */
function placeOf(url: string): string {
  const { host, pathname } = new URL(url)
  return `${host}${pathname}`
}
