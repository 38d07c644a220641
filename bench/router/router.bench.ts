/**
 * What a request costs that crosses the router, beside other proxies doing the same job or less.
 *
 *     npm run bench:router                              all rows, five rounds, about 20 minutes
 *     npm run bench:router -- --quick                   the main row, shortened: under a minute
 *     npm run bench:router -- --rows keep-alive,latency --contestants cellplane,haproxy-cell --seconds 2 --rounds 3
 *     npm run bench:router -- --json                    for programs; `cpuUsPerRequest` has the main row's medians
 *
 * One core is the proxy's, one is the clients' and the upstreams' (eight cells; see workload.ts for sizes). Contestants
 * take turns in each round. Compared is the CPU time of the proxy's processes for each request, not throughput: it says
 * the same on a machine that is shared, and also where the generator's core is full first. Every answer is checked: its
 * status, its length, that a cell of the tenant's shard gave it, and that upstreams gave as many as clients had.
 * Anything else than that fails the run.
 *
 * Started by root, the bench installs HAProxy and nginx (Debian) where they are missing, and its processes go before
 * others on their cores. All of them end with the bench, however it ends. Nothing else should be run meanwhile: a row
 * that was disturbed says so.
 *
 * Back of the envelope: two reads, two writes and their share of polling are some 8 µs of kernel a request; HAProxy's
 * parsing adds 2, its maps, stick table and header rules 5 or more; node:http's objects and streams 60.
 */
import { parseArgs } from 'node:util'
import { CONTESTANTS } from './contestants/all.ts'
import { MAIN_ROW, reportOf, tablesOf } from './report.ts'
import { ROWS } from './rows/all.ts'
import type { Effort } from './rows/row.ts'
import { runBench } from './run-bench.ts'
import { TENANT_COUNT } from './workload.ts'

const FULL: Effort = {
  rounds: 5,
  measureMs: 3_000,
  warmUpMs: 500,
  compileMs: 8_000,
  largeBodyBytes: 1024 ** 3,
  idleClients: 10_000,
  settleMs: 1_000,
  tokensSeen: TENANT_COUNT,
}
const QUICK: Effort = {
  rounds: 2,
  measureMs: 1_000,
  warmUpMs: 200,
  compileMs: 3_000,
  largeBodyBytes: 256 * 1024 ** 2,
  idleClients: 2_000,
  settleMs: 1_000,
  tokensSeen: TENANT_COUNT,
}

const { values } = parseArgs({
  options: {
    json: { type: 'boolean', default: false },
    quick: { type: 'boolean', default: false },
    rows: { type: 'string' },
    contestants: { type: 'string' },
    seconds: { type: 'string' },
    rounds: { type: 'string' },
  },
})
const effort = {
  ...(values.quick ? QUICK : FULL),
  ...(values.seconds === undefined ? {} : { measureMs: positive('--seconds', values.seconds) * 1000 }),
  ...(values.rounds === undefined ? {} : { rounds: Math.ceil(positive('--rounds', values.rounds)) }),
}
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => process.exit(130))

const rowNames = values.rows ?? (values.quick ? MAIN_ROW : undefined)
const result = await runBench({
  rows: pick('--rows', ROWS, rowNames),
  contestants:
    values.contestants === undefined
      ? undefined
      : pick('--contestants', CONTESTANTS, values.contestants).map(({ name }) => name),
  effort,
  say: (text) => {
    if (process.stderr.isTTY) process.stderr.write(`\r\x1b[K${text}`)
  },
})
if (process.stderr.isTTY) process.stderr.write('\r\x1b[K')
const report = reportOf(result, effort)
console.log(values.json ? JSON.stringify(report, null, 2) : tablesOf(report))

/** All of them, or those whose names are in the list. */
function pick<T extends { name: string }>(
  flag: string,
  all: readonly T[],
  list: string | undefined,
): readonly T[] {
  if (list === undefined) return all
  return list.split(',').map((name) => {
    const found = all.find((one) => one.name === name)
    if (found) return found
    return fail(`${flag}: found "${name}"; expected some of ${all.map((one) => one.name).join(', ')}`)
  })
}

function positive(flag: string, text: string): number {
  const value = Number(text)
  return value > 0 ? value : fail(`${flag}: found "${text}"; expected a number above 0`)
}

function fail(message: string): never {
  console.error(message)
  process.exit(2)
}
