/**
 * Bench: placing 65,536 buckets with shards of two, from nothing and after a change.
 *
 *     node packages/core/src/placement/placement.bench.ts [--json]
 *
 * Back of the envelope: from nothing, 16 cells are a million scores and 1,000 cells are 65 million, at ~10 ns each: 10 ms
 * and 0.7 s, and the rest (quotas, homes, counting) some tens of ms. A change looks at every row a few times: 50 ms.
 * Goals: 16 cells in 200 ms, 1,000 from nothing in 3 s, one more in 1 s. CPU time, since the machine is shared.
 */
import { flag, readFlags } from '@cellplane/testing/flags'
import { unwrap } from '../topology/example-fleet.ts'
import { type PlacedCell, place } from './place.ts'

const { json: isJson } = readFlags({
  command: 'node packages/core/src/placement/placement.bench.ts',
  about: 'Measures placing 65,536 buckets, from nothing and after a change.',
  flags: { json: flag('print JSON') },
})

const POLICY = { buckets: 65_536, shardSize: 2, seed: 1 }
const ROUNDS = 5

const cellsOf = (count: number): PlacedCell[] =>
  Array.from({ length: count }, (_, slot) => ({ slot, weight: 10, zone: `zone-${slot % 3}` }))
const tableOf = (count: number) => unwrap(place(null, cellsOf(count), POLICY)).table

const CASES = [
  { name: '16 cells from nothing', goalMs: 200, previous: null, cells: cellsOf(16) },
  { name: '16 cells and one more', goalMs: 200, previous: tableOf(16), cells: cellsOf(17) },
  { name: '1,000 cells from nothing', goalMs: 3_000, previous: null, cells: cellsOf(1_000) },
  { name: '1,000 cells and one more', goalMs: 1_000, previous: tableOf(1_000), cells: cellsOf(1_001) },
  { name: '1,000 cells less one', goalMs: 1_000, previous: tableOf(1_000), cells: cellsOf(1_000).slice(1) },
]

const raw = CASES.map(() => [] as number[])
for (let round = 0; round < ROUNDS; round++) {
  for (const [i, { previous, cells }] of CASES.entries()) {
    const before = process.cpuUsage()
    unwrap(place(previous, cells, POLICY))
    const { user, system } = process.cpuUsage(before)
    raw[i]!.push(Math.round((user + system) / 1000))
  }
}

const results = CASES.map(({ name, goalMs }, i) => {
  const median = raw[i]!.toSorted((a, b) => a - b)[ROUNDS >> 1]!
  return { case: name, median_ms: median, goal_ms: goalMs, is_met: median <= goalMs, rounds_ms: raw[i] }
})
if (isJson) console.log(JSON.stringify({ bench: 'placement', results }))
else
  for (const r of results)
    console.log(`${r.case}: median ${r.median_ms} ms (goal ${r.goal_ms}); ${r.rounds_ms!.join(' ')}`)
