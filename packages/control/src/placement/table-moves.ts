/** What a table moves against the one before, in buckets and in counts. Pure; both have the same number of places. */

/** `buckets`: those that get a cell which they did not have. */
export function movedBy(before: Uint16Array, after: Uint16Array, shardSize: number) {
  const buckets = new Set<number>()
  const counts = { places: 0, homes: 0 }
  for (let start = 0; start < after.length; start += shardSize) {
    const row = before.subarray(start, start + shardSize)
    if (row[0] !== after[start]) counts.homes++
    for (const slot of after.subarray(start, start + shardSize)) {
      if (row.includes(slot)) continue
      counts.places++
      buckets.add(start / shardSize)
    }
  }
  return { buckets, counts }
}

/** By slot. */
export function countPlaces(table: Uint16Array): Map<number, number> {
  const counts = new Map<number, number>()
  for (const slot of table) counts.set(slot, (counts.get(slot) ?? 0) + 1)
  return counts
}
