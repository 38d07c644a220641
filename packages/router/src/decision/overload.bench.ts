/**
 * Bench: one cell at three times what it carries, and the tenants of another cell meanwhile.
 *
 *     npm run bench:overload [-- --json] [-- --seconds 4]
 *
 * A cell works on 4 requests at once, each a sleep of 40 ms: it carries 100 a second, and has a queue without a bound.
 * Another one does the same for a neighbour at 60 a second. Its tenants may not fail over, so what the cell cannot carry
 * shows. An answer after 500 ms is worth nothing.
 *
 * Back of the envelope: with up to 256 under way in the cell, each waits 256 / 100 = 2.5 s, so unprotected goodput is
 * near 0 although the cell never idles. With a ceiling of 8 the wait is 80 ms. All of it takes some 360 requests a second
 * through client, router and cell in this one process, half a core.
 */
import { flag, number, readFlags } from '@cellplane/testing/flags'
import { send } from '../testing/client.ts'
import { type RouterOptions, startFakeFleet } from '../testing/fake-fleet.ts'
import { goodputOf, makeSleepingCell, percentile, runOverload } from '../testing/overload.ts'
import { until } from '../testing/wait.ts'

const WORKERS = 4
const SERVICE_MS = 40
const CAPACITY = (WORKERS * 1000) / SERVICE_MS
const DEADLINE_MS = 500
const LOADS = [0.9, 1, 3]
/** Enough that the share of each, half the cell, is not what limits them. */
const BUSY_TENANTS = [0, 1, 2, 3, 4, 5, 6, 7]
const NEIGHBOUR_PER_SECOND = 60
/** As long as an adaptive limit needs to settle. */
const WARM_UP_MS = 5_000

type Contestant = { capacity: Record<string, number>; adaptive: 'on' | 'off' }

const CONTESTANTS: Record<string, Contestant> = {
  'no ceiling, adaptive off': { capacity: {}, adaptive: 'off' },
  'no ceiling, adaptive on': { capacity: {}, adaptive: 'on' },
  'in_flight 8, adaptive off': { capacity: { in_flight: 2 * WORKERS }, adaptive: 'off' },
  'in_flight 8, adaptive on': { capacity: { in_flight: 2 * WORKERS }, adaptive: 'on' },
  'requests_per_second 100, adaptive off': { capacity: { requests_per_second: CAPACITY }, adaptive: 'off' },
  'requests_per_second 100, adaptive on': { capacity: { requests_per_second: CAPACITY }, adaptive: 'on' },
}

async function measure({ capacity, adaptive }: Contestant, measureMs: number) {
  const fleet = await startFakeFleet()
  try {
    for (const cell of fleet.cells) makeSleepingCell(cell, WORKERS, SERVICE_MS)
    const { cells } = fleet.buildBase()
    fleet.publishBase({ cells: cells.map((cell) => ({ ...cell, capacity })) })
    const limits: RouterOptions['limits'] = { adaptive }
    const { port, adminPort } = await fleet.startRouter({ limits })
    await until('a topology', async () => (await send(adminPort, { path: '/readyz' })).status === 200)
    const rows = []
    for (const load of LOADS) {
      const cpu = process.cpuUsage()
      const startedAt = performance.now()
      const { busy, neighbour } = await runOverload({
        port,
        streams: {
          busy: { tenants: BUSY_TENANTS.map((nth) => fleet.tenantOn(0, 2, nth)), perSecond: load * CAPACITY },
          neighbour: {
            tenants: [fleet.tenantOn(1, 2), fleet.tenantOn(1, 2, 1)],
            perSecond: NEIGHBOUR_PER_SECOND,
          },
        },
        warmUpMs: WARM_UP_MS,
        measureMs,
      })
      const { user, system } = process.cpuUsage(cpu)
      rows.push({
        load,
        goodput: goodputOf(busy, measureMs, DEADLINE_MS),
        p99: percentile(busy.latencies.get(200) ?? [], 0.99),
        neighbourP99: percentile(neighbour.latencies.get(200) ?? [], 0.99),
        neighbourFailures: neighbour.offered - (neighbour.latencies.get(200) ?? []).length,
        cpuShare: (user + system) / 1000 / (performance.now() - startedAt),
      })
    }
    return rows
  } finally {
    await fleet.stop()
  }
}

const values = readFlags({
  command: 'npm run bench:overload --',
  about: 'Measures goodput of a cell at up to three times what it carries.',
  flags: {
    seconds: number(4, 'how long each rate is held', { least: 0.1 }),
    json: flag('print JSON'),
  },
})
const measureMs = values.seconds * 1000
const results = []
for (const [contestant, options] of Object.entries(CONTESTANTS)) {
  const rows = await measure(options, measureMs)
  const peak = Math.max(...rows.map(({ goodput }) => goodput))
  const calm = rows[0]!.neighbourP99
  for (const row of rows) {
    results.push({
      contestant,
      ...row,
      ofPeak: row.goodput / peak,
      neighbourP99ToCalm: row.neighbourP99 / calm,
    })
  }
}
if (values.json) console.log(JSON.stringify(results, null, 2))
else {
  console.table(
    results.map((row) => ({
      contestant: row.contestant,
      load: row.load,
      'goodput/s': Math.round(row.goodput),
      'of its peak': row.ofPeak.toFixed(2),
      'p99, ms': Math.round(row.p99),
      'neighbour p99, ms': row.neighbourP99.toFixed(1),
      'to calm': row.neighbourP99ToCalm.toFixed(2),
      'neighbour failed': row.neighbourFailures,
      cores: row.cpuShare.toFixed(2),
    })),
  )
}
