/**
 * Bench: what it costs to count, and what a million tenants take.
 *
 *     node --expose-gc packages/core/src/tenants/heavy-hitters.bench.ts [--json]
 *
 * Back of the envelope. A tenant that has a counter takes one look-up in a Map of 1,024 and three additions: 50 ns. One that
 * has none takes an insertion (100 ns, more where its name is not in the cache) and its part of a purge: sorting 1,024 numbers
 * and moving as many counters is 60 µs for 512 insertions, 120 ns; that is the worst traffic there can be, errors of a
 * million tenants in turn. A counter is 8 bytes, and 12 for each of 16 cells: 2 × 1,024 of them are 0.4 MB, and the names
 * are the router's own.
 *
 * A count in a window, which is what each request pays, is a comparison and an addition: 10 ns where the record is in the
 * cache, which it is, as the request has just looked it up. CPU time is counted, since the machine is shared; a neighbour on the
 * same core doubles it.
 */
import { createHeavyHitters } from './heavy-hitters.ts'
import { countInWindow, createWindowCount, readWindowCount } from './window-count.ts'

const TENANTS = 1_000_000
const UPDATES = 200_000
const ROUNDS = 11
const MEGABYTE = 1 << 20

const names = Array.from({ length: TENANTS }, (_, i) => `tenant-${i}`)
const cases = {
  'a few tenants': (i: number) => names[i % 64]!,
  'a million tenants in turn': (i: number) => names[(i * 7919) % TENANTS]!,
  'half of it one tenant': (i: number) => (i & 1 ? names[0]! : names[(i * 7919) % TENANTS]!),
}

const results = Object.entries(cases).map(([traffic, nameOf]) => {
  const sketch = createHeavyHitters()
  const rounds = Array.from({ length: ROUNDS }, (_, round) =>
    nsPer(UPDATES, (i) => sketch.add(nameOf(i), i & 7, 1, round)),
  )
  return { traffic, ns_per_update: median(rounds), rounds }
})

const counts = names.slice(0, 10_000).map(createWindowCount)
const windowRounds = Array.from({ length: ROUNDS }, (_, round) =>
  nsPer(UPDATES, (i) => countInWindow(counts[(i * 7919) % counts.length]!, round)),
)

globalThis.gc?.()
const before = bytesInUse()
const large = createHeavyHitters()
for (const [i, name] of names.entries()) large.add(name, i % 1000, 1, i < TENANTS / 2 ? 0 : 5_000)
globalThis.gc?.()
const memoryMb = (bytesInUse() - before) / MEGABYTE

const readRounds = Array.from({ length: ROUNDS }, () => nsPer(10, () => large.read(32, 5_000)))

console.log(
  JSON.stringify(
    {
      updates: results,
      window_count_ns: median(windowRounds),
      read_us: median(readRounds) / 1000,
      million_tenants_mb: globalThis.gc ? Number(memoryMb.toFixed(2)) : 'run with --expose-gc',
      counters: large.counterCount,
      checksum: readWindowCount(counts[0]!, ROUNDS),
    },
    null,
    2,
  ),
)

function bytesInUse(): number {
  const { heapUsed, arrayBuffers } = process.memoryUsage()
  return heapUsed + arrayBuffers
}

function nsPer(times: number, run: (i: number) => void): number {
  const startedAt = process.cpuUsage()
  for (let i = 0; i < times; i++) run(i)
  const { user, system } = process.cpuUsage(startedAt)
  return ((user + system) * 1000) / times
}

function median(values: readonly number[]): number {
  return Math.round([...values].sort((a, b) => a - b)[values.length >> 1]! * 10) / 10
}
