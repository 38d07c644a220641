/**
 * Brings a cell's database to this release's schema: numbered SQL files, each once, in order, in one transaction.
 *
 * Safe to run twice, also at the same time: the second waits for the first and finds nothing left to do.
 */
import { readdir, readFile } from 'node:fs/promises'
import type { Database } from './database.ts'

const MIGRATIONS = new URL('./migrations/', import.meta.url)

/** Any number, as long as it is always the same. */
const ADVISORY_LOCK = 4_040_001

/** The names of the migrations that were applied now. */
export function migrate(database: Database): Promise<string[]> {
  return database.transaction(async (query) => {
    await query('SELECT pg_advisory_xact_lock($1)', [ADVISORY_LOCK])
    await query(`CREATE TABLE IF NOT EXISTS migration (
      name       text        PRIMARY KEY,
      applied_at timestamptz NOT NULL DEFAULT now()
    )`)
    const done = new Set(
      (await query<{ name: string }>('SELECT name FROM migration')).map(({ name }) => name),
    )
    const files = (await readdir(MIGRATIONS)).filter((name) => name.endsWith('.sql')).sort()
    const pending = files.filter((name) => !done.has(name))
    for (const name of pending) {
      await query(await readFile(new URL(name, MIGRATIONS), 'utf8'))
      await query('INSERT INTO migration (name) VALUES ($1)', [name])
    }
    return pending
  })
}
