/** The store in PostgreSQL: migrations at the start, reads from a pool, writes through the lease's own connection. */
import { readdir, readFile } from 'node:fs/promises'
import pg from 'pg'
import type { Logger } from 'pino'
import { documentsOf } from './postgres-documents.ts'
import { type PostgresWriter, startPostgresWriter } from './postgres-writer.ts'
import { type InvalidRow, NotLeader, type Store } from './store.ts'

/** Reads at once. The API is the only reader beside the writer, and each read is short. */
const READ_CONNECTIONS_MAX = 8
const CONNECT_TIMEOUT_MS = 3_000
const STATEMENT_TIMEOUT_MS = 10_000

/** How long a start waits for a database that is starting too. */
const START_TIMEOUT_MS = 30_000
const START_RETRY_MS = 250

/** Held while the tables are made, so that two replicas that start at once do not make them twice. */
const MIGRATION_LOCK = [0x63656c6c, 0x6d696772]

export type PostgresStoreOptions = {
  url: string
  leasePollMs: number
  onInvalidRow: (row: InvalidRow) => void
  logger: Logger
}

/** Throws when the database does not answer within 30 s, or has tables of a newer version. */
export async function openPostgresStore(options: PostgresStoreOptions): Promise<Store> {
  await migrateWhenReachable(options.url, options.logger)
  const pool = new pg.Pool({
    connectionString: options.url,
    application_name: 'cellplane-control',
    max: READ_CONNECTIONS_MAX,
    connectionTimeoutMillis: CONNECT_TIMEOUT_MS,
    query_timeout: STATEMENT_TIMEOUT_MS,
  })
  // An idle connection that breaks is replaced by the next read; without a listener it would end the process.
  pool.on('error', (error) => options.logger.warn({ error: error.message }, 'idle database connection lost'))
  const { get, list, count } = documentsOf(pool, options.onInvalidRow)
  let writer: PostgresWriter | undefined
  return {
    get,
    list,
    count,
    campaign(onLeader) {
      writer = startPostgresWriter({
        url: options.url,
        pollMs: options.leasePollMs,
        onLeader,
        onInvalidRow: options.onInvalidRow,
        logger: options.logger,
      })
    },
    isWriter: () => writer?.isLeader() ?? false,
    write: async (change) => {
      if (!writer) throw new NotLeader('this replica does not ask for the lease')
      return writer.write(change)
    },
    async stop() {
      await writer?.stop()
      await pool.end()
    },
  }
}

async function migrateWhenReachable(url: string, logger: Logger): Promise<void> {
  const deadline = performance.now() + START_TIMEOUT_MS
  for (;;) {
    const client = new pg.Client({ connectionString: url, connectionTimeoutMillis: CONNECT_TIMEOUT_MS })
    client.on('error', () => {})
    try {
      await client.connect()
    } catch (error) {
      await client.end().catch(() => {})
      if (performance.now() < deadline) {
        await new Promise((resolve) => setTimeout(resolve, START_RETRY_MS))
        continue
      }
      const { host, pathname } = new URL(url)
      throw new Error(
        `the store ${host}${pathname} did not answer for ${START_TIMEOUT_MS / 1000} s: ${(error as Error).message}; start it, or correct database_url`,
        { cause: error },
      )
    }
    try {
      return await migrate(client, logger)
    } finally {
      await client.end()
    }
  }
}

/** Applies the files of migrations/ that the database lacks, in the order of their numbers, all or none. */
async function migrate(client: pg.Client, logger: Logger): Promise<void> {
  const folder = new URL('./migrations/', import.meta.url)
  const files = (await readdir(folder)).filter((file) => file.endsWith('.sql')).sort()
  await client.query('BEGIN')
  await client.query('SELECT pg_advisory_xact_lock($1, $2)', MIGRATION_LOCK)
  await client.query('CREATE TABLE IF NOT EXISTS migrations (file text PRIMARY KEY)')
  const { rows } = await client.query<{ file: string }>('SELECT file FROM migrations ORDER BY file')
  const unknown = rows.find(({ file }) => !files.includes(file))
  if (unknown) {
    throw new Error(
      `the store has migration ${unknown.file}, which this version does not know; it was used by a newer version: run that one`,
    )
  }
  for (const file of files.slice(rows.length)) {
    await client.query(await readFile(new URL(file, folder), 'utf8'))
    await client.query('INSERT INTO migrations (file) VALUES ($1)', [file])
    logger.info({ file }, 'store migrated')
  }
  await client.query('COMMIT')
}
