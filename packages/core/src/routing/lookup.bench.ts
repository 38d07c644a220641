/**
 * Bench: key → row → chosen cell, on 1,000 cells with 100,000 overrides and with health marks.
 *
 *     node packages/core/src/routing/lookup.bench.ts [--json]
 *
 * Back of the envelope: XXH32 of 13 bytes ~10 ns; a Map of 100,000 strings, past the caches, ~60 ns, of which hashing a
 * string that was never hashed is ~15; the row and the fitness of two cells, two cache misses, ~20. So about 100 ns;
 * the goal is a median of at most 150, with nothing allocated.
 *
 * Keys are made anew for each round, as a request's are: a string that was looked up once carries its hash. CPU time is
 * counted, not wall time, since the machine is shared.
 */
import { place } from '../placement/place.ts'
import { exampleBase, exampleCell, exampleFleet, unwrap } from '../topology/example-fleet.ts'
import { buildRoutingIndex } from '../topology/routing-index.ts'
import { chooseCell } from './choose-cell.ts'
import { shardRow } from './rows.ts'

const CELLS = 1_000
const OVERRIDES = 100_000
const KEYS = 200_000
const ROUNDS = 21
const GOAL_NS = 150

const index = exampleIndex()
const fitness = new Uint8Array(CELLS).map((_, cell) => (cell % 50 === 0 ? 0 : cell % 50 === 1 ? 100 : 255))
const inFlight = new Uint32Array(CELLS).map((_, cell) => cell % 7)

const roundsNs: number[] = []
let checksum = 0
for (let round = 0; round < ROUNDS; round++) {
  const keys = freshKeys(round)
  const before = process.cpuUsage()
  checksum += lookUp(keys)
  const { user, system } = process.cpuUsage(before)
  roundsNs.push(((user + system) * 1000) / KEYS)
}

const keys = freshKeys(0)
lookUp(keys)
const heapBefore = process.memoryUsage().heapUsed
for (let i = 0; i < 1_000_000 / KEYS; i++) checksum += lookUp(keys)
const heapBytesPerMillion = process.memoryUsage().heapUsed - heapBefore

const medianNs = roundsNs.toSorted((a, b) => a - b)[ROUNDS >> 1]!
const result = {
  bench: 'lookup',
  cells: CELLS,
  overrides: OVERRIDES,
  lookups_per_round: KEYS,
  median_ns: Math.round(medianNs),
  goal_ns: GOAL_NS,
  is_met: medianNs <= GOAL_NS,
  heap_bytes_per_million: heapBytesPerMillion,
  rounds_ns: roundsNs.map(Math.round),
  checksum,
}
console.log(
  process.argv.includes('--json')
    ? JSON.stringify(result)
    : `lookup: median ${result.median_ns} ns (goal ${GOAL_NS}), ${heapBytesPerMillion} bytes of heap per million; rounds ${result.rounds_ns.join(' ')}`,
)

function lookUp(keys: readonly string[]): number {
  let sum = 0
  for (let i = 0; i < keys.length; i++) {
    sum += chooseCell(index, shardRow(index, keys[i]!), fitness, inFlight, i % 255, -1)
  }
  return sum
}

/** Every other key has an override. Flat strings without a hash, as from a socket. */
function freshKeys(round: number): string[] {
  return Array.from({ length: KEYS }, (_, i) =>
    Buffer.from(`tenant-${(i * 7919 + round) % (2 * OVERRIDES)}`).toString('latin1'),
  )
}

function exampleIndex() {
  const cells = Array.from({ length: CELLS }, (_, slot) => exampleCell(slot))
  const policy = { buckets: 65_536, shardSize: 2, seed: 1 }
  const fleet = exampleFleet({ placement: { seed: policy.seed } })
  const { table } = unwrap(place(null, cells, policy))
  const overrides = Array.from({ length: OVERRIDES }, (_, i) => ({
    tenant: `tenant-${i}`,
    cells: [i % CELLS, (i + 1) % CELLS],
    reason: 'assignment' as const,
    generation: 1,
  }))
  return unwrap(buildRoutingIndex(exampleBase({ fleet, cells, table, overrides })))
}
