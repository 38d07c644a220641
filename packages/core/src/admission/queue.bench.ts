/**
 * Bench: what a queue at the router, before a cell's ceiling, does to goodput. In virtual time, so it gives the same
 * figures everywhere.
 *
 *     node packages/core/src/admission/queue.bench.ts [--json]
 *
 * Back of the envelope: without a queue a worker idles from an answer until the next arrival. By Erlang's loss formula 8
 * workers with a ceiling of 8 and just the load that fills them are busy 76 % of the time, and 96 % at three times that
 * load. A queue closes the gap, but so does a ceiling above 8: the cell's own queue. So the question is what is left to
 * gain at the ceilings in use: twice the workers, where the adaptive limit settles, and that limit itself.
 */
import { flag, readFlags } from '@cellplane/testing/flags'
import { createAdaptiveLimit } from './adaptive-limit.ts'
import { poisson, runTrial, seeded } from './testing-cell.ts'

const { json: isJson } = readFlags({
  command: 'npm run bench:admission-queue --',
  about: 'Compares queues before a cell that is asked more than it can, in virtual time.',
  flags: { json: flag('print JSON') },
})

const WORKERS = 8
const SERVICE_MS = 50
const CAPACITY = (WORKERS * 1000) / SERVICE_MS
const SECONDS = 600
/** An answer later than this is worth nothing to its caller. */
const DEADLINE_MS = 500
const SEED = 1

const CEILINGS = {
  workers: () => ({ ceiling: () => WORKERS }),
  'twice the workers': () => ({ ceiling: () => 2 * WORKERS }),
  adaptive() {
    const limit = createAdaptiveLimit()
    limit.bound(256)
    return { ceiling: () => limit.ceiling, onAnswer: limit.answered }
  },
}
const QUEUES = {
  none: {},
  'as many, 50 ms': { queue: { max: WORKERS, waitMsMax: 50 } },
  'ten times as many, 200 ms': { queue: { max: 10 * WORKERS, waitMsMax: 200 } },
}

const rows = Object.entries(CEILINGS).flatMap(([ceiling, limited]) =>
  [0.8, 1, 1.5, 3].flatMap((load) =>
    Object.entries(QUEUES).map(([queue, queued]) => {
      const { latencies } = runTrial({
        workers: WORKERS,
        serviceMs: poisson(1000 / SERVICE_MS),
        gapMs: poisson(load * CAPACITY),
        seconds: SECONDS,
        random: seeded(SEED),
        ...limited(),
        ...queued,
      })
      const inTime = latencies.filter((ms) => ms <= DEADLINE_MS).length
      const sorted = Float64Array.from(latencies).sort()
      return {
        ceiling,
        load,
        queue,
        'goodput, of capacity': Number((inTime / SECONDS / CAPACITY).toFixed(3)),
        'p50, ms': Math.round(sorted[sorted.length >> 1]!),
        'p99, ms': Math.round(sorted[Math.floor(sorted.length * 0.99)]!),
      }
    }),
  ),
)
if (isJson) console.log(JSON.stringify(rows, null, 2))
else console.table(rows)
