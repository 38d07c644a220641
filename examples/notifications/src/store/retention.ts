/** How long records stay: what a cell still holds, and taking away what nobody may ask for any more. */
import { SYNTHETIC_TENANT_PREFIX } from '@cellplane/cell/process'
import type { Database } from './database.ts'
import { countUnfinished } from './queue.ts'

/** Counted up to here: what matters to whoever retires a cell is whether anything is left. */
const COUNT_MAX = 100_000

/** In the shape that the cell kit reports. */
export type Held = { undelivered: number; retained: number; retained_until: string | null }

export async function countHeld(database: Database, retentionHours: number): Promise<Held> {
  const undelivered = await countUnfinished(database, COUNT_MAX)
  const [row] = await database.query<{ retained: number; newest: Date | null }>(
    `SELECT count(*)::int AS retained, max(finished_at) AS newest FROM (
       SELECT finished_at FROM notification
       WHERE finished_at > now() - $1 * interval '1 hour' AND NOT starts_with(tenant, $3)
       ORDER BY finished_at DESC LIMIT $2
     ) AS recent`,
    [retentionHours, COUNT_MAX, SYNTHETIC_TENANT_PREFIX],
  )
  // What is not delivered yet will be finished now at the earliest, and is kept from then on.
  const newest = undelivered > 0 ? new Date() : (row?.newest ?? null)
  return {
    undelivered,
    retained: Math.min(COUNT_MAX, undelivered + (row?.retained ?? 0)),
    retained_until: newest && new Date(newest.getTime() + retentionHours * 3_600_000).toISOString(),
  }
}

/** What the synthetic tenant wrote is nobody's record: kept for as long as somebody may look at why it failed. */
const SYNTHETIC_KEPT_MS = 10 * 60_000

/** After every name that begins with the prefix. */
const SYNTHETIC_END = `${SYNTHETIC_TENANT_PREFIX}\u{10ffff}`

/** Rows a statement: short locks, little to write ahead, and room for others between two. */
export const PURGE_BATCH_ROWS = 500

/** Deletes one batch of what is past its retention; how many rows went. Attempts go with their notification. */
export async function purgeBatch(database: Database, retentionHours: number): Promise<number> {
  const old = await database.query(
    `DELETE FROM notification WHERE (tenant, id) IN (
       SELECT tenant, id FROM notification WHERE finished_at < now() - $1 * interval '1 hour'
       ORDER BY finished_at LIMIT $2
     ) RETURNING 1`,
    [retentionHours, PURGE_BATCH_ROWS],
  )
  const unused = await database.query(
    `DELETE FROM template WHERE (tenant, sha256) IN (
       SELECT tenant, sha256 FROM template WHERE used_at < now() - $1 * interval '1 hour' - interval '1 day'
       ORDER BY used_at LIMIT $2
     ) RETURNING 1`,
    [retentionHours, PURGE_BATCH_ROWS],
  )
  // A range and not starts_with, so that the primary key finds them.
  const synthetic = await database.query(
    `DELETE FROM notification WHERE (tenant, id) IN (
       SELECT tenant, id FROM notification
       WHERE tenant > $1 AND tenant < $2 AND finished_at < now() - $3 * interval '1 ms'
       LIMIT $4
     ) RETURNING 1`,
    [SYNTHETIC_TENANT_PREFIX, SYNTHETIC_END, SYNTHETIC_KEPT_MS, PURGE_BATCH_ROWS],
  )
  return old.length + unused.length + synthetic.length
}
