/**
 * Bench: key → row → chosen cell, on 1,000 cells with 100,000 overrides and with health marks.
 *
 *     node packages/core/src/routing/lookup.bench.ts [--json]
 *
 * Back of the envelope: reading 13 characters ~30 ns, XXH32 of them ~25, row and fitness ~10. The probe for an override
 * is ~5 ns, or a cache miss of 20–80; a tenant that has one is compared, which is two misses more. So about 100 ns for
 * Zipf-like traffic of which one tenant in ten has an override, as pins in a stateless fleet, and 200 where every tenant
 * has one, as assignments in a stateful fleet. The goal is a median of at most 150 for the former, nothing allocated.
 *
 * Keys are made anew for each round, as a request's are: a string that was looked up before carries its hash. CPU time
 * is counted, not wall time, since the machine is shared; still, work on a core's other thread doubles some rounds.
 */
import { place } from '../placement/place.ts'
import { exampleBase, exampleCell, exampleFleet, unwrap } from '../topology/example-fleet.ts'
import { buildRoutingIndex } from '../topology/routing-index.ts'
import { chooseCell } from './choose-cell.ts'
import { shardRow } from './rows.ts'

const CELLS = 1_000
const OVERRIDES = 100_000
const KEYS = 100_000
const ROUNDS = 21
const GOAL_NS = 150
/** A prime, so that busy tenants are not neighbours. */
const SCATTER = 7919

const index = exampleIndex()
const fitness = new Uint8Array(CELLS).map((_, cell) => (cell % 50 === 0 ? 0 : cell % 50 === 1 ? 100 : 255))
const inFlight = new Uint32Array(CELLS).map((_, cell) => cell % 7)

const random = randomNumbers()
/** By rank: Zipf-like is a probability in proportion to 1 / rank. Tenants 0 … OVERRIDES − 1 have an override. */
const TRAFFIC = {
  pins: () => (zipf(10 * OVERRIDES) * SCATTER) % (10 * OVERRIDES),
  assignments: () => (zipf(OVERRIDES) * SCATTER) % OVERRIDES,
  'pins, uniform': () => Math.floor(10 * OVERRIDES * random()),
}

let checksum = 0
const results = Object.entries(TRAFFIC).map(([traffic, tenant]) => ({
  traffic,
  tenant,
  roundsNs: [] as number[],
}))
for (let round = 0; round < ROUNDS; round++) {
  for (const { tenant, roundsNs } of results) {
    const keys = freshKeys(tenant)
    const before = process.cpuUsage()
    checksum += lookUp(keys)
    const { user, system } = process.cpuUsage(before)
    roundsNs.push(Math.round(((user + system) * 1000) / KEYS))
  }
}

const keys = freshKeys(TRAFFIC.assignments)
lookUp(keys)
const heapBefore = process.memoryUsage().heapUsed
for (let i = 0; i < 1_000_000 / KEYS; i++) checksum += lookUp(keys)
const heapBytesPerMillion = process.memoryUsage().heapUsed - heapBefore

const medians = results.map(({ traffic, roundsNs }) => ({
  traffic,
  median_ns: roundsNs.toSorted((a, b) => a - b)[ROUNDS >> 1]!,
  rounds_ns: roundsNs,
}))
if (process.argv.includes('--json')) {
  const scale = {
    cells: CELLS,
    overrides: OVERRIDES,
    lookups_per_round: KEYS,
    goal_ns: GOAL_NS,
  }
  console.log(
    JSON.stringify({
      bench: 'lookup',
      ...scale,
      results: medians,
      heap_bytes_per_million: heapBytesPerMillion,
      checksum,
    }),
  )
} else {
  for (const { traffic, median_ns, rounds_ns } of medians) {
    console.log(
      `${traffic}: median ${median_ns} ns (goal for pins: ${GOAL_NS}); rounds ${rounds_ns.join(' ')}`,
    )
  }
  console.log(`heap: ${heapBytesPerMillion} bytes per million lookups`)
}

function lookUp(keys: readonly string[]): number {
  let sum = 0
  for (let i = 0; i < keys.length; i++) {
    sum += chooseCell(index, shardRow(index, keys[i]!), fitness, inFlight, i % 255, -1)
  }
  return sum
}

/** Flat strings without a hash, as from a socket. */
function freshKeys(tenant: () => number): string[] {
  return Array.from({ length: KEYS }, () => Buffer.from(`tenant-${tenant()}`).toString('latin1'))
}

function zipf(tenants: number): number {
  return Math.floor(tenants ** random())
}

/** Marsaglia's xorshift, in [0, 1): the same keys in every run. */
function randomNumbers(): () => number {
  let state = 0x2545f491
  return () => {
    state ^= state << 13
    state ^= state >>> 17
    state ^= state << 5
    return (state >>> 0) / 0x1_0000_0000
  }
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
