/**
 * Former tables: those that were the table, kept as long as ids or work may refer to them.
 *
 * A router sends a read to the cell that an id names only if that cell is in the tenant's shard, now or formerly. A
 * table that is forgotten too early turns records that exist into 404.
 *
 * A document has room for a few. When there are more, they are packed: all that a reader needs of them is which cells a
 * bucket had, not when; so the cells that each bucket had are written side by side, without those that it has now. For a
 * fleet of n cells that is at most n ÷ shard size tables, however often it changed. Only a fleet of many cells that
 * changed very often can still run out of room. Then the change waits: moving tenants can be put off, and losing the
 * way to their records cannot.
 */
import { FORMER_TABLES_MAX, type Parsed, parsed, problem, refused, SLOT_NONE } from '@cellplane/contract'

export type FormerTable = {
  /** The last base version in which it was the table; of several that were packed, the newest one's. */
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
  shardSize: number,
  now: number,
): Parsed<FormerTable[]> {
  const kept: FormerTable[] = []
  for (const one of replaced ? [replaced, ...former] : former) {
    if (Date.parse(one.until) <= now || isSameTable(one.table, next)) continue
    // The newer of two equal ones is kept longer.
    if (!kept.some((other) => isSameTable(other.table, one.table))) kept.push(one)
  }
  if (kept.length <= FORMER_TABLES_MAX) return parsed(kept)
  const packed = packTables(kept, next, shardSize)
  if (packed.length <= FORMER_TABLES_MAX) return parsed(packed)
  const soonest = kept.map((one) => one.until).sort()[0]
  return refused(
    problem(
      'FORMER_TABLES_FULL',
      'former_tables',
      `${FORMER_TABLES_MAX} former tables are still needed to find records, and this change would make one more; wait until ${soonest}, or lower cells.retention_hours`,
    ),
  )
}

/** Newest cells first; holes are SLOT_NONE, which readers take for a cell that is gone. */
function packTables(tables: readonly FormerTable[], next: Uint16Array, shardSize: number): FormerTable[] {
  const packed: Uint16Array[] = []
  for (let start = 0; start < next.length; start += shardSize) {
    const seen = new Set([SLOT_NONE, ...next.subarray(start, start + shardSize)])
    let count = 0
    for (const { table } of tables) {
      for (const slot of table.subarray(start, start + shardSize)) {
        if (seen.has(slot)) continue
        seen.add(slot)
        const into = Math.floor(count / shardSize)
        packed[into] ??= new Uint16Array(next.length).fill(SLOT_NONE)
        packed[into][start + (count % shardSize)] = slot
        count++
      }
    }
  }
  const version = Math.max(...tables.map((one) => one.version))
  // One that is kept too long costs room; one that is forgotten too early costs records.
  const until = tables
    .map((one) => one.until)
    .sort()
    .at(-1)!
  return packed.map((table) => ({ version, until, table }))
}

export function isSameTable(a: Uint16Array, b: Uint16Array): boolean {
  return a.length === b.length && a.every((slot, i) => slot === b[i])
}
