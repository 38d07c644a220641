/**
 * How long a fleet takes from `cellplane up` until every cell is placed and every router routes by it, and how much
 * memory a cell takes after load.
 *
 * `node bench/startup/startup.bench.ts [--cells 4] [--runs 3] [--json]`. Memory is proportional set size: pages that
 * processes share are divided among them. The back of the envelope: a cell costs an initdb (0.8 s of CPU), a bootstrap
 * (0.15 s), and two Node processes that find their code compiled (0.5 and 0.35 s), so 17 cells are some 30 s of CPU; with
 * the planes' 13 s, that is 22 s on two idle cores.
 */
import {
  createTraffic,
  issueTokens,
  percentile,
  pssBytes,
  runLoad,
  startFleet,
  TENANTS,
  tally,
} from '@cellplane/testing'
import { flag, number, readFlags } from '@cellplane/testing/flags'

const LOAD = { requestsPerSecond: 100, durationMs: 10_000 }

const { cells, ...values } = readFlags({
  command: 'npm run bench:startup --',
  about: 'Measures how long a fleet takes to serve, and the memory that a cell takes after load.',
  flags: {
    cells: number(4, 'of the fleet', { least: 1, isWhole: true }),
    runs: number(3, 'how often; the median is told', { least: 1, isWhole: true }),
    json: flag('print JSON'),
  },
})
const rows: Awaited<ReturnType<typeof measure>>[] = []
for (let run = 0; run < values.runs; run++) rows.push(await measure())

const median = (pick: (row: (typeof rows)[number]) => number) => percentile(rows.map(pick), 0.5)
const result = {
  cells,
  firstStartMs: median((row) => row.firstStartMs),
  secondStartMs: median((row) => row.secondStartMs),
  pssMbPerCell: median((row) => row.pssMbPerCell),
  raw: rows,
}
console.log(
  values.json
    ? JSON.stringify(result, null, 2)
    : `${cells} cells: first start ${s(result.firstStartMs)}, second start ${s(result.secondStartMs)}, ${result.pssMbPerCell.toFixed(1)} MB (PSS) a cell after load`,
)

async function measure() {
  const first = await startFleet({ cells })
  const traffic = createTraffic(first.routerUrl, await issueTokens(first))
  const attempts = await runLoad({ ...LOAD, tenants: TENANTS, seed: 1, send: traffic.send })
  const ids = (await first.status()).cells.map((cell) => cell.id)
  const bytes = ids.map((id) => pssBytes(first.cellPids(id)))
  await first.stop()
  const second = await startFleet({ cells, stateDir: first.stateDir })
  await second.remove()
  return {
    firstStartMs: first.startedInMs,
    secondStartMs: second.startedInMs,
    pssMbPerCell: percentile(bytes, 0.5) / 1e6,
    pssMbWorst: Math.max(...bytes) / 1e6,
    load: tally(attempts),
  }
}

function s(ms: number): string {
  return `${(ms / 1000).toFixed(1)} s`
}
