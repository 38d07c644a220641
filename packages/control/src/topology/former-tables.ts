/**
 * Former tables: those that were the table, kept as long as ids or work may refer to them.
 *
 * A router sends a read to the cell that an id names only if that cell is in the tenant's shard, now or formerly. A
 * table that is forgotten too early turns records that exist into 404. So when there is no room for another one, the
 * change waits: moving tenants can be put off, and losing the way to their records cannot.
 */
import { FORMER_TABLES_MAX, type Parsed, parsed, problem, refused } from '@cellplane/contract'

export type FormerTable = {
  /** The last base version in which it was the table. */
  version: number
  /** ISO 8601. */
  until: string
  table: Uint16Array
}

/**
 * The former tables once `next` is the table in place of `replaced`, newest first. `now` in ms since the epoch.
 * Refused with FORMER_TABLES_FULL.
 */
export function keepFormerTables(
  former: readonly FormerTable[],
  replaced: FormerTable | null,
  next: Uint16Array,
  now: number,
): Parsed<FormerTable[]> {
  const kept: FormerTable[] = []
  for (const one of replaced ? [replaced, ...former] : former) {
    if (Date.parse(one.until) <= now || isSameTable(one.table, next)) continue
    // The newer of two equal ones is kept longer.
    if (!kept.some((other) => isSameTable(other.table, one.table))) kept.push(one)
  }
  if (kept.length <= FORMER_TABLES_MAX) return parsed(kept)
  const soonest = kept.map((one) => one.until).sort()[0]
  return refused(
    problem(
      'FORMER_TABLES_FULL',
      'former_tables',
      `${FORMER_TABLES_MAX} former tables are still needed to find records, and this change would make one more; wait until ${soonest}, change several cells at once, or lower cells.retention_hours`,
    ),
  )
}

export function isSameTable(a: Uint16Array, b: Uint16Array): boolean {
  return a.length === b.length && a.every((slot, i) => slot === b[i])
}
