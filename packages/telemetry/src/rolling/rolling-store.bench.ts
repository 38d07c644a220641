/**
 * What the rolling store takes for 100 cells and a day at ten seconds, and how long the questions take that views and
 * alerts ask of it.
 *
 *     npm run bench:telemetry
 *
 * Back of the envelope: two rings of 9,000 × 19 floats are 1.4 MB a cell, so 140 MB with the month; a question over a
 * day adds up some 350 rows of each cell, 35,000 rows, at 10 ns or so for each number.
 */
import { burning } from '@cellplane/core'
import { createRollingStore } from './rolling-store.ts'

const CELLS = 100
const DAY_SECONDS = 86_400
const ROUNDS = 15
const START = Date.UTC(2026, 0, 1)
const MONTH = { target: 0.999, periodSeconds: 30 * DAY_SECONDS }

const before = process.memoryUsage.rss()
const store = createRollingStore()
const latencies = Array.from({ length: 15 }, (_, nth) => nth)
for (let at = 10; at <= DAY_SECONDS; at += 10) {
  for (let cell = 0; cell < CELLS; cell++) {
    store.record(`cell-${cell}`, START + at * 1000, {
      ...{ requests: 1_000, good: 999, inFlight: 8, latencySumMs: 8_000 },
      latencies,
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

console.log(`${CELLS} cells, a day of samples: ${grownMb.toFixed(0)} MB`)
for (const [name, ask] of Object.entries(questions)) {
  const times: number[] = []
  for (let round = 0; round < ROUNDS; round++) {
    const startedAt = performance.now()
    await ask()
    times.push(performance.now() - startedAt)
  }
  times.sort((a, b) => a - b)
  const shown = times.map((ms) => ms.toFixed(1)).join(' ')
  console.log(`${name}: median ${times[ROUNDS >> 1]!.toFixed(1)} ms (${shown})`)
}
