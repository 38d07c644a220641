/**
 * Spread over tenants, not buckets: load, distinct shards and full overlaps, for the kinds of ids that services have.
 *
 * Load alone does not find a bad pairing of cells. The last test plants one, whose load is even, and the check for
 * overlaps must fail on it.
 */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { bucketOf } from '../hash/bucket.ts'
import { type PlacedCell, place } from './place.ts'

const TENANTS = 20_000
const BUCKETS = 65_536
const SEED = 7

/** Marsaglia's xorshift: random enough for ids, and the same in every run. */
function randomNumbers(): () => number {
  let state = 0x2545f491
  return () => {
    state ^= state << 13
    state ^= state >>> 17
    state ^= state << 5
    return state >>> 0
  }
}

const random = randomNumbers()
const hex = () => random().toString(16).padStart(8, '0')
const NAMES = ['anna', 'bo', 'carla', 'deniz', 'emeka', 'fatima', 'george', 'hana']

const POPULATIONS: Record<string, (n: number) => string> = {
  sequential: (n) => `tenant-${n}`,
  numbers: (n) => String(100_000 + n),
  random: () => hex() + hex(),
  uuids: () => `${hex()}-${hex().slice(4)}-4${hex().slice(5)}-a${hex().slice(5)}-${hex()}${hex().slice(4)}`,
  emails: (n) => `${NAMES[n % NAMES.length]}.${n}@customer-${n % 97}.example.com`,
}

type Spread = { loads: number[]; distinctShards: number; fullOverlap: number }

/** What a population comes to under a function from tenant to shard (cells 0 … count − 1). */
function spreadOf(tenants: readonly string[], count: number, shardOf: (tenant: string) => number[]): Spread {
  const loads = new Array<number>(count).fill(0)
  const shards = new Map<string, number>()
  for (const tenant of tenants) {
    const shard = shardOf(tenant)
    for (const cell of shard) loads[cell]!++
    const name = shard.toSorted((a, b) => a - b).join()
    shards.set(name, (shards.get(name) ?? 0) + 1)
  }
  const together = [...shards.values()].reduce((pairs, n) => pairs + (n * (n - 1)) / 2, 0)
  return {
    loads,
    distinctShards: shards.size,
    fullOverlap: together / ((tenants.length * (tenants.length - 1)) / 2),
  }
}

function assertLoadIsEven({ loads }: Spread): void {
  const mean = loads.reduce((a, b) => a + b, 0) / loads.length
  for (const load of loads)
    assert.ok(Math.abs(load - mean) <= 0.1 * mean, `${load} tenants where ${mean} is even`)
}

/** `shards`: how many there are to spread over. Tenants of one bucket always overlap: 1/B on top. 5 % for sampling. */
function assertIsSpread({ distinctShards, fullOverlap }: Spread, shards: number): void {
  const ideal = 1 / shards + 1 / BUCKETS
  assert.equal(distinctShards, shards)
  assert.ok(fullOverlap <= 1.05 * ideal, `${fullOverlap} of tenant pairs overlap fully; ideal is ${ideal}`)
}

function placedShards(cells: readonly PlacedCell[]): (tenant: string) => number[] {
  const result = place(null, cells, { buckets: BUCKETS, shardSize: 2, seed: SEED })
  assert.ok(result.ok)
  const { table } = result.value
  return (tenant) => {
    const bucket = bucketOf(tenant, SEED, BUCKETS)
    return [...table.subarray(bucket * 2, bucket * 2 + 2)]
  }
}

const cellsIn = (count: number, zones: number): PlacedCell[] =>
  Array.from({ length: count }, (_, slot) => ({ slot, weight: 10, zone: `zone-${slot % zones}` }))

const FLEETS = [
  { name: '8 cells', count: 8, zones: 1, shards: 28 },
  { name: '16 cells', count: 16, zones: 1, shards: 120 },
  { name: '12 cells in 3 zones', count: 12, zones: 3, shards: 48 },
].map((fleet) => ({ ...fleet, shardOf: placedShards(cellsIn(fleet.count, fleet.zones)) }))

for (const [kind, idOf] of Object.entries(POPULATIONS)) {
  describe(`${TENANTS} tenants with ${kind} ids`, () => {
    const tenants = Array.from({ length: TENANTS }, (_, n) => idOf(n))
    for (const { name, count, shards, shardOf } of FLEETS) {
      test(`load ${name} evenly, reach all ${shards} shards, and overlap no more than by chance`, () => {
        const spread = spreadOf(tenants, count, shardOf)
        assertLoadIsEven(spread)
        assertIsSpread(spread, shards)
      })
    }
  })
}

describe('a planted fault: two suffixed FNV-1a hashes pick the pair', () => {
  const fnv1a = (text: string) =>
    Array.from(text).reduce((hash, char) => Math.imul(hash ^ char.charCodeAt(0), 16777619), 2166136261) >>> 0
  const tenants = Array.from({ length: TENANTS }, (_, n) => `tenant-${n}`)
  const spread = spreadOf(tenants, 8, (tenant) => {
    const first = fnv1a(`${tenant}:a`) % 8
    const second = fnv1a(`${tenant}:b`) % 8
    return [first, second === first ? (second + 1) % 8 : second]
  })

  test('passes a check of the load', () => assertLoadIsEven(spread))

  test('fails the check of the spread', () => {
    assert.throws(() => assertIsSpread(spread, 28), /AssertionError|28/)
    assert.ok(spread.fullOverlap > 0.1, `${spread.fullOverlap}`)
  })
})
