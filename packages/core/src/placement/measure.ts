/** What a table comes to: the figures by which a placement is judged, for plans, tests and benches. */
import type { PlacedCell, PlacementPolicy } from './place.ts'

export type PlacementMeasure = {
  /** By slot. */
  placesByCell: Map<number, number>
  homesByCell: Map<number, number>
  /** Different sets of cells, whatever the order. */
  distinctShards: number
  /** The share of pairs of buckets whose sets of cells are equal: the chance that two tenants share all of their cells. */
  fullOverlap: number
  /** Rows with two cells of one zone. */
  rowsInOneZone: number
}

export function measurePlacement(
  table: Uint16Array,
  cells: readonly PlacedCell[],
  { shardSize }: PlacementPolicy,
): PlacementMeasure {
  const zoneBySlot = new Map(cells.map((cell) => [cell.slot, cell.zone]))
  const placesByCell = new Map(cells.map((cell) => [cell.slot, 0]))
  const homesByCell = new Map(placesByCell)
  const shards = new Map<string, number>()
  let rowsInOneZone = 0
  for (let start = 0; start < table.length; start += shardSize) {
    const row = table.subarray(start, start + shardSize)
    for (const slot of row) increment(placesByCell, slot)
    increment(homesByCell, row[0]!)
    increment(shards, row.toSorted().join())
    if (new Set(Array.from(row, (slot) => zoneBySlot.get(slot))).size < shardSize) rowsInOneZone++
  }
  const rows = table.length / shardSize
  const equalPairs = [...shards.values()].reduce((pairs, n) => pairs + (n * (n - 1)) / 2, 0)
  return {
    placesByCell,
    homesByCell,
    distinctShards: shards.size,
    fullOverlap: equalPairs / ((rows * (rows - 1)) / 2),
    rowsInOneZone,
  }
}

function increment<Key>(counts: Map<Key, number>, key: Key): void {
  counts.set(key, (counts.get(key) ?? 0) + 1)
}
