/**
 * `node scenarios/gray-failure/scenario.ts`: the guide's opening story three times, 45 s each: before a round-robin proxy,
 * before one that also repeats errors itself, and before cellplane's router.
 *
 *     --out FOLDER    write gray-failure.svg (the plot) and gray-failure.json (all figures) there
 *     --calls N       calls of an action, 4 by default; as many calls a second in all
 *     --json          the figures instead of the table
 *
 * Exits 1 when it does not hold: under round robin most tenants see failures, under cellplane no tenant without the broken
 * cell does, and the others for seconds only.
 */
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { flag, number, readFlags, text } from '@cellplane/testing/flags'
import { isContained, isSpread } from './claims.ts'
import { PLAN, type Plan, utilisation } from './plan.ts'
import { cellplane } from './proxies/cellplane.ts'
import { roundRobin, roundRobinRepeating } from './proxies/round-robin.ts'
import { type Replay, replay } from './run.ts'
import { plotOf } from './show/plot.ts'
import { sparklinesOf, tableOf } from './show/table.ts'

const values = readFlags({
  command: 'node scenarios/gray-failure/scenario.ts',
  about:
    'An instance answers 500 and says that it is healthy: before two round-robin proxies, and before cellplane.',
  flags: {
    out: text('FOLDER', 'write the plot and all figures there'),
    calls: number(PLAN.caller.callsPerAction, 'calls of an action', { least: 1, most: 16, isWhole: true }),
    json: flag('print JSON instead of the table'),
  },
})
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => process.exit(130))

const plan = planOf(values.calls)
const replays: Replay[] = []
for (const kind of [roundRobin, roundRobinRepeating, cellplane]) {
  process.stderr.write(`${kind.name}: ${kind.about}\n`)
  replays.push(await replay(kind, plan))
}
const [plain, , cells] = replays as [Replay, Replay, Replay]
const holds = isSpread(plain) && isContained(cells)

if (values.out !== undefined) {
  mkdirSync(values.out, { recursive: true })
  writeFileSync(join(values.out, 'gray-failure.svg'), plotOf(replays, plan))
  writeFileSync(join(values.out, 'gray-failure.json'), JSON.stringify({ plan, replays, holds }, null, 2))
}
if (values.json) console.log(JSON.stringify({ plan, replays, holds }, null, 2))
else {
  const { instances, tenants, actionsPerSecond, caller } = plan
  console.log(
    [
      `${instances} instances at ${Math.round(utilisation(plan) * 100)} % of what they can do; ${tenants} tenants; ${actionsPerSecond} actions/s of ${caller.callsPerAction} calls, ${caller.triesMax} tries`,
      tableOf(replays),
      sparklinesOf(replays, plan),
      `the callers’ process stood still for ${Math.max(...replays.map(({ stallMs }) => Math.round(stallMs)))} ms at most`,
      holds ? 'It holds.' : 'It does NOT hold.',
    ].join('\n\n'),
  )
}
process.exitCode = holds ? 0 : 1

/** The plan with another number of calls an action, at the same number of calls a second. */
function planOf(callsPerAction: number): Plan {
  const callsPerSecond = PLAN.actionsPerSecond * PLAN.caller.callsPerAction
  return {
    ...PLAN,
    actionsPerSecond: callsPerSecond / callsPerAction,
    caller: { ...PLAN.caller, callsPerAction },
  }
}
