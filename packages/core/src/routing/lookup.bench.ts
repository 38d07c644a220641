/**
 * Bench: key → row → chosen cell, on 1,000 cells with 100,000 overrides and with health marks.
 *
 *     node packages/core/src/routing/lookup.bench.ts [--json]
 *
 * Back of the envelope: reading 13 characters ~30 ns, XXH32 of them ~15, row and fitness ~20, and the filter before the
 * overrides ~10, more where it missed the cache. A tenant that has an override is compared, which is two misses and a loop
 * over its characters. So about 100 ns for Zipf-like traffic of which one tenant in ten has an override, as pins in a
 * stateless fleet, and 200 where every tenant has one, as assignments in a stateful fleet. The goal is a median of at most
 * 150 for the former, with short ids, and nothing allocated. Longer ids cost about 4 ns a character more, and twice that
 * where they have an override.
 *
 * Keys are made anew for each round, as a request's are: a string that was looked up before carries its hash. They come
 * in random order. CPU time is counted, not wall time, since the machine is shared; still, work on a core's other thread
 * doubles some rounds. The empty loop is in the figures; it is also given by itself. So is the heap that the check for
 * allocations takes when nothing is looked up.
 */
import { flag, readFlags } from '@cellplane/testing/flags'
import { hashKeySigned } from '../hash/bucket.ts'
import { place } from '../placement/place.ts'
import { exampleBase, exampleCell, exampleFleet, unwrap } from '../topology/example-fleet.ts'
import { buildOverrideIndex } from '../topology/override-index.ts'
import { buildRoutingIndex } from '../topology/pack-index.ts'
import type { RoutingIndex } from '../topology/routing-index.ts'
import { chooseCell } from './choose-cell.ts'
import { shardRow } from './rows.ts'

const { json: isJson } = readFlags({
  command: 'npm run bench:lookup --',
  about: 'Measures the lookup of a tenant’s cell among 1,000 cells and 100,000 overrides.',
  flags: { json: flag('print JSON') },
})

const CELLS = 1_000
const OVERRIDES = 100_000
const KEYS = 100_000
const ROUNDS = 21
const GOAL_NS = 150
/** A prime, so that busy tenants are not neighbours. */
const SCATTER = 7919

const fitness = new Uint8Array(CELLS).map((_, cell) => (cell % 50 === 0 ? 0 : cell % 50 === 1 ? 100 : 255))
const inFlight = new Uint32Array(CELLS).map((_, cell) => cell % 7)

const random = randomNumbers()
/** By rank: Zipf-like is a probability in proportion to 1 / rank. Tenants 0 … OVERRIDES − 1 have an override. */
const TRAFFIC = {
  pins: () => (zipf(10 * OVERRIDES) * SCATTER) % (10 * OVERRIDES),
  assignments: () => (zipf(OVERRIDES) * SCATTER) % OVERRIDES,
  'pins, uniform': () => Math.floor(10 * OVERRIDES * random()),
}
/** 8–13, 36 and 31–33 characters. */
const IDS = {
  short: (tenant: number) => `tenant-${tenant}`,
  uuid: (tenant: number) => {
    const hex = (Math.imul(tenant + 1, 0x9e3779b1) >>> 0).toString(16).padStart(8, '0')
    return `${hex}-${hex.slice(2, 6)}-4${hex.slice(5)}-a${hex.slice(1, 4)}-${tenant.toString(16).padStart(12, '0')}`
  },
  email: (tenant: number) =>
    `billing.${tenant.toString(36).padStart(4, '0')}@customer-${tenant % 997}.example`,
}

let checksum = 0
const emptyNs: number[] = []
const heap = { per_million_lookups: 0, per_million_turns_of_the_empty_loop: 0 }
// One kind of ids after the other, with one index alive, as in a router; more would push each other out of the cache.
const medians = Object.entries(IDS).flatMap(([ids, idOf]) => {
  const index = exampleIndex(idOf)
  const results = Object.entries(TRAFFIC).map(([traffic, tenant]) => ({
    traffic,
    tenant,
    roundsNs: [] as number[],
  }))
  for (let round = 0; round < ROUNDS; round++) {
    for (const { tenant, roundsNs } of results) {
      const keys = freshKeys(() => idOf(tenant()))
      roundsNs.push(nsPerKey(() => lookUp(index, keys)))
      emptyNs.push(nsPerKey(() => loopOnly(keys)))
    }
  }
  const keys = freshKeys(() => idOf(TRAFFIC.assignments()))
  heap.per_million_lookups = Math.max(
    heap.per_million_lookups,
    heapBytes(() => lookUp(index, keys)),
  )
  heap.per_million_turns_of_the_empty_loop = Math.max(
    heap.per_million_turns_of_the_empty_loop,
    heapBytes(() => loopOnly(keys)),
  )
  return results.map(({ traffic, roundsNs }) => ({
    ids,
    traffic,
    median_ns: median(roundsNs),
    rounds_ns: roundsNs,
  }))
})
const builds = [100_000, 1_000_000].map(buildFigures)

if (isJson) {
  const scale = { cells: CELLS, overrides: OVERRIDES, lookups_per_round: KEYS, goal_ns: GOAL_NS }
  console.log(
    JSON.stringify({
      bench: 'lookup',
      ...scale,
      results: medians,
      empty_loop: { median_ns: median(emptyNs), rounds_ns: emptyNs },
      heap_bytes: heap,
      builds,
      checksum,
    }),
  )
} else {
  for (const { ids, traffic, median_ns, rounds_ns } of medians) {
    const goal = ids === 'short' && traffic === 'pins' ? ` (goal: ${GOAL_NS})` : ''
    console.log(`${ids} ids, ${traffic}: median ${median_ns} ns${goal}; rounds ${rounds_ns.join(' ')}`)
  }
  console.log(`empty loop: median ${median(emptyNs)} ns`)
  console.log(
    `heap: ${heap.per_million_lookups} bytes per million lookups, ${heap.per_million_turns_of_the_empty_loop} per million turns of the empty loop`,
  )
  for (const { overrides, build_ms, bytes_per_override } of builds) {
    console.log(
      `index of ${overrides} overrides: ${build_ms} ms, ${bytes_per_override} bytes each, tenants included`,
    )
  }
}

function nsPerKey(work: () => number): number {
  const before = process.cpuUsage()
  checksum += work()
  const { user, system } = process.cpuUsage(before)
  return Math.round(((user + system) * 1000) / KEYS)
}

function heapBytes(work: () => number): number {
  work()
  const before = process.memoryUsage().heapUsed
  for (let i = 0; i < 1_000_000 / KEYS; i++) checksum += work()
  return process.memoryUsage().heapUsed - before
}

/** The first build of a size, as a router does it. */
function buildFigures(overrides: number) {
  const tenants = Array.from({ length: overrides }, (_, i) => `tenant-${i}`)
  const before = process.cpuUsage()
  const built = buildOverrideIndex(tenants, (tenant) => hashKeySigned(tenant, 1))
  const { user, system } = process.cpuUsage(before)
  const { text, starts, filter, entries, overflow } = built
  const bytes = [text, starts, filter, entries, overflow].reduce((sum, part) => sum + part.byteLength, 0)
  return {
    overrides,
    build_ms: Math.round((user + system) / 1000),
    bytes_per_override: Math.round((10 * bytes) / overrides) / 10,
    overflow: overflow.length,
  }
}

function median(figures: readonly number[]): number {
  return figures.toSorted((a, b) => a - b)[figures.length >> 1]!
}

function lookUp(index: RoutingIndex, keys: readonly string[]): number {
  let sum = 0
  for (let i = 0; i < keys.length; i++) {
    sum += chooseCell(index, shardRow(index, keys[i]!), fitness, inFlight, i % 255, -1)
  }
  return sum
}

function loopOnly(keys: readonly string[]): number {
  let sum = 0
  for (let i = 0; i < keys.length; i++) sum += keys[i]!.length + (i % 255)
  return sum
}

/** Flat strings without a hash, as from a socket. */
function freshKeys(id: () => string): string[] {
  return Array.from({ length: KEYS }, () => Buffer.from(id()).toString('latin1'))
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

function exampleIndex(idOf: (tenant: number) => string): RoutingIndex {
  const cells = Array.from({ length: CELLS }, (_, slot) => exampleCell(slot))
  const policy = { buckets: 65_536, shardSize: 2, seed: 1 }
  const fleet = exampleFleet({ placement: { seed: policy.seed } })
  const { table } = unwrap(place(null, cells, policy))
  const overrides = Array.from({ length: OVERRIDES }, (_, i) => ({
    tenant: idOf(i),
    cells: [i % CELLS, (i + 1) % CELLS],
    reason: 'assignment' as const,
    generation: 1,
  }))
  return unwrap(buildRoutingIndex(exampleBase({ fleet, cells, table, overrides })))
}
