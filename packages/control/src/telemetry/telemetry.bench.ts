/**
 * What the watch over objectives, a report and `top` take of a fleet of 100 cells with a month of metrics.
 *
 *     npm run bench:slo
 *
 * Back of the envelope: the default objectives ask for eight windows each, all of whole hours, five minutes and ten seconds:
 * the longest is 720 steps and the others come to as many again. For latency nearly all columns are added up: 1,500 × 19
 * × 100 cells are 3 million additions, some 5–10 ms; those of availability are a tenth of it.
 */
import { DEFAULT_SLOS } from '@cellplane/contract'
import { createRollingStore, FINE_SECONDS } from '@cellplane/telemetry'
import { createMemoryStore } from '../fixtures/memory-store.ts'
import { evaluateSlos } from './evaluate.ts'
import { compileReport } from './report.ts'

const CELLS = 100
const DAY_MS = 86_400_000
const ROUNDS = 9
/** Processor time that no question may take. */
const GOAL_MS = 50
const UNTIL = Date.UTC(2026, 1, 1)

const metrics = createRollingStore()
const store = createMemoryStore()
const sample = {
  ...{ requests: 100, good: 99, inFlight: 3, latencySumMs: 200 },
  ...{ latencies: [10, 20, 30, 39], saturation: [90, 10] },
}
for (let at = UNTIL - 31 * DAY_MS; at <= UNTIL; ) {
  for (let cell = 0; cell < CELLS; cell++) metrics.record(`cell-${cell}`, at, sample)
  // Beyond a day only the coarse steps are kept.
  at += at < UNTIL - DAY_MS ? 300_000 : FINE_SECONDS * 1_000
}

const span = { from: UNTIL - 30 * DAY_MS, until: UNTIL }
const questions: Record<string, () => Promise<unknown>> = {
  'a look at the default objectives': () => evaluateSlos(metrics, DEFAULT_SLOS, UNTIL),
  'a report of 30 days': () =>
    compileReport(store, metrics, {
      ...{ fleet: 'bench', span, tenantsMax: 0, shardOf: () => [], registeredAt: () => 0 },
    }),
  'the figures of top': async () => {
    const window = { until: UNTIL, seconds: 20 }
    return [await metrics.counts(window), await metrics.latencies(window)]
  },
}

for (const [name, ask] of Object.entries(questions)) {
  const rounds: { wallMs: number; cpuMs: number }[] = []
  for (let round = 0; round < ROUNDS; round++) {
    const [startedAt, before] = [performance.now(), process.cpuUsage()]
    await ask()
    const { user, system } = process.cpuUsage(before)
    rounds.push({ wallMs: performance.now() - startedAt, cpuMs: (user + system) / 1_000 })
  }
  const median = (of: (round: (typeof rounds)[number]) => number) =>
    rounds.map(of).sort((a, b) => a - b)[ROUNDS >> 1]!
  const [wall_ms, cpu_ms] = [median((one) => one.wallMs), median((one) => one.cpuMs)]
  const result = { name, cells: CELLS, wall_ms, cpu_ms, goal_ms: GOAL_MS, is_met: cpu_ms <= GOAL_MS }
  console.log(JSON.stringify({ ...result, rounds }))
}
