/**
 * How much a new table moves, and how much of that it could not have done without.
 *
 * A cell that has more places afterwards got each of them from somewhere: the sum of what cells gain is the least that
 * any plan with these loads moves, whichever buckets it picks. Added to it is what the zones force, a bucket with two
 * cells of one zone. What moves beyond both serves nothing that the result shows. So a fleet of two may grow to three,
 * which moves a third of all places by arithmetic, and a plan that places everybody anew at equal load may not: there
 * the least is nothing.
 */

/** A table and the cells that its rows name by their index. */
export type PlacedTable = {
  cells: readonly { slot: number; zone: string }[]
  /** Cell indexes, buckets × shard size, home first. */
  rows: Uint16Array
  shardSize: number
}

/** Shares of all places, and of all homes. */
export type Movement = { places: number; placesNeeded: number; homes: number; homesNeeded: number }

/** Of two tables of one size. */
export function measureMovement(before: PlacedTable, after: PlacedTable): Movement {
  const { shardSize } = after
  const indexOfSlot = new Map(after.cells.map(({ slot }, index) => [slot, index]))
  const gone = after.cells.length
  const nowOf = Uint16Array.from(before.cells, ({ slot }) => indexOfSlot.get(slot) ?? gone)
  const zoneNames = [...new Set(after.cells.map(({ zone }) => zone))]
  const zones = Int32Array.from(after.cells, ({ zone }) => zoneNames.indexOf(zone))
  const oldZones = Int32Array.from(nowOf, (cell) => zones[cell] ?? -1)
  const placesGained = new Float64Array(gone + 1)
  const homesGained = new Float64Array(gone + 1)
  let places = 0
  let homes = 0
  let forced = 0
  for (let start = 0; start < after.rows.length; start += shardSize) {
    const end = start + shardSize
    for (let place = start; place < end; place++) {
      const cell = after.rows[place]!
      placesGained[cell]!++
      let isOld = false
      for (let other = start; other < end; other++) {
        const old = nowOf[before.rows[other]!]!
        if (place === start) placesGained[old]!--
        if (old === cell) isOld = true
      }
      if (!isOld) places++
    }
    const oldHome = nowOf[before.rows[start]!]!
    homesGained[after.rows[start]!]!++
    homesGained[oldHome]!--
    if (oldHome !== after.rows[start]) homes++
    const shared = sharedZones(before.rows, oldZones, start, end)
    // Where the new row shares a zone as well, the zones left no choice.
    if (shared > 0) forced += Math.max(0, shared - sharedZones(after.rows, zones, start, end))
  }
  const buckets = after.rows.length / shardSize
  return {
    places: places / after.rows.length,
    placesNeeded: Math.min(places, gains(placesGained) + forced) / after.rows.length,
    homes: homes / buckets,
    homesNeeded: Math.min(homes, gains(homesGained)) / buckets,
  }
}

/** Places of the row whose zone an earlier place of it has too. A zone below 0 is that of a cell that is gone. */
function sharedZones(rows: Uint16Array, zoneOf: Int32Array, start: number, end: number): number {
  let shared = 0
  for (let place = start + 1; place < end; place++) {
    const zone = zoneOf[rows[place]!]!
    if (zone < 0) continue
    for (let other = start; other < place; other++) {
      if (zoneOf[rows[other]!] === zone) {
        shared++
        break
      }
    }
  }
  return shared
}

function gains(changes: Float64Array): number {
  return changes.reduce((sum, change) => sum + Math.max(0, change), 0)
}
