/**
 * `node scenarios/poison-tenant/scenario.ts`: a tenant whose requests crash what serves them, behind a proxy that replaces
 * failed instances in a shard, and behind cellplane. 20 s each, and the start of a fleet.
 *
 *     --out FOLDER    write poison-tenant.svg (the plot) and poison-tenant.json (all figures) there
 *     --json          the figures instead of the table
 *
 * Exits 1 when it does not hold: on plain ground the tenant walks through most instances; under cellplane it crashes the
 * cells of its shard, once each, and is in quarantine 5 s after the second crash; and a tenant whose requests are
 * answered 500 goes there as well, while no cell is taken out for it.
 */
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { flag, readFlags, text } from '@cellplane/testing/flags'
import { isContained, walks } from './claims.ts'
import { cellplane } from './grounds/cellplane.ts'
import { shuffle } from './grounds/shuffle.ts'
import { PLAN } from './plan.ts'
import { replay } from './run.ts'
import { plotOf } from './show/plot.ts'
import { sparklinesOf, tableOf } from './show/table.ts'

const values = readFlags({
  command: 'node scenarios/poison-tenant/scenario.ts',
  about:
    'A tenant whose requests crash what serves them: before plain shuffle sharding, and before cellplane.',
  flags: {
    out: text('FOLDER', 'write the plot and all figures there'),
    json: flag('print JSON instead of the table'),
  },
})
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => process.exit(130))

for (const kind of [shuffle, cellplane]) process.stderr.write(`${kind.name}: ${kind.about}\n`)
const replays = await Promise.all([replay(shuffle, PLAN), replay(cellplane, PLAN)])
const holds = walks(replays[0], PLAN) && isContained(replays[1], PLAN)

if (values.out !== undefined) {
  mkdirSync(values.out, { recursive: true })
  writeFileSync(join(values.out, 'poison-tenant.svg'), plotOf(replays, PLAN))
  writeFileSync(
    join(values.out, 'poison-tenant.json'),
    JSON.stringify({ plan: PLAN, replays, holds }, null, 2),
  )
}
if (values.json) console.log(JSON.stringify({ plan: PLAN, replays, holds }, null, 2))
else {
  const { cells, shardSize, tenants, requestsPerSecond, badRequestsPerSecond } = PLAN
  console.log(
    [
      `${cells} cells, shards of ${shardSize}; ${tenants} good tenants with ${requestsPerSecond} requests/s in all, two bad ones with ${badRequestsPerSecond} each`,
      tableOf(replays),
      sparklinesOf(replays, PLAN),
      holds ? 'It holds.' : 'It does NOT hold.',
    ].join('\n\n'),
  )
}
process.exitCode = holds ? 0 : 1
