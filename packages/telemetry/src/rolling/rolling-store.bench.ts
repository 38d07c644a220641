/**
 * What the rolling store takes for 100 cells and a day at ten seconds, and how long the questions take that views and
 * alerts ask of it.
 *
 *     npm run bench:telemetry
 *
 * Back of the envelope: two rings of 9,000 × 26 floats, and one of hours, are 2 MB a cell, 200 MB when a month has filled
 * all buckets; a day fills the first, 94 MB, and a page of each column of the others, 20 MB. A question over a day adds up
 * 24 hours and at most 80 shorter steps of each cell, 10,000 rows, at 10 ns or so for each number; a heatmap, 288 of five
 * minutes.
 */
import { burning } from '@cellplane/core'
import { createRollingStore } from './rolling-store.ts'

const CELLS = 100
const DAY_SECONDS = 86_400
const ROUNDS = 15
/** Processor time that no question may take, and memory that a day of samples may. */
const GOAL_MS = 50
const GOAL_MB = 150
const START = Date.UTC(2026, 0, 1)
const MONTH = { target: 0.999, periodSeconds: 30 * DAY_SECONDS }

const before = process.memoryUsage.rss()
const store = createRollingStore()
const latencies = Array.from({ length: 15 }, () => 66)
// Every bucket in use, which is the most that it can take.
const saturation = Array.from({ length: 7 }, () => 142)
for (let at = 10; at <= DAY_SECONDS; at += 10) {
  for (let cell = 0; cell < CELLS; cell++) {
    store.record(`cell-${cell}`, START + at * 1000, {
      ...{ requests: 1_000, good: 999, inFlight: 8, latencySumMs: 8_000 },
      latencies,
      saturation,
    })
  }
}
global.gc?.()
const grownMb = (process.memoryUsage.rss() - before) / 1e6

const until = START + DAY_SECONDS * 1000
const questions: Record<string, () => Promise<unknown>> = {
  'counts of a day': () => store.counts({ until, seconds: DAY_SECONDS }),
  'latencies of an hour': () => store.latencies({ until, seconds: 3_600 }),
  'a heatmap of a day in steps of five minutes': () =>
    store.countsOverTime({ until, seconds: DAY_SECONDS }, 300),
  'every burn rate of every cell': async () => {
    const windows = new Map<number, Awaited<ReturnType<typeof store.counts>>>()
    for (const seconds of [300, 1_800, 3_600, 7_200, 21_600, DAY_SECONDS, 3 * DAY_SECONDS]) {
      windows.set(seconds, await store.counts({ until, seconds }))
    }
    for (let cell = 0; cell < CELLS; cell++) {
      burning(MONTH, (seconds) => windows.get(seconds)!.get(`cell-${cell}`) ?? { total: 0, good: 0 })
    }
  },
}

console.log(
  JSON.stringify({
    ...{ name: 'a day of samples in memory', cells: CELLS, mb: Math.round(grownMb) },
    ...{ goal_mb: GOAL_MB, is_met: grownMb <= GOAL_MB },
  }),
)
for (const [name, ask] of Object.entries(questions)) {
  const rounds: number[] = []
  for (let round = 0; round < ROUNDS; round++) {
    const before = process.cpuUsage()
    await ask()
    const { user, system } = process.cpuUsage(before)
    rounds.push((user + system) / 1_000)
  }
  const cpu_ms = rounds.toSorted((a, b) => a - b)[ROUNDS >> 1]!
  console.log(
    JSON.stringify({ name, cells: CELLS, cpu_ms, goal_ms: GOAL_MS, is_met: cpu_ms <= GOAL_MS, rounds }),
  )
}
