/**
 * Bench: what routers that divide a tenant's cap let through in total, of the cap. In virtual time, so it gives the same
 * figures everywhere.
 *
 *     node packages/core/src/admission/shares.bench.ts [--json]
 *
 * Back of the envelope: undivided, R routers let R times the cap through when the tenant sends as much to each. Divided it
 * is the cap, and at most the floors more (1.2 of it) where the traffic moves faster than the division follows; a tenant
 * that moves to another router is held to its floor there for the second or two until the next rounds.
 */
import { flag, readFlags } from '@cellplane/testing/flags'
import { seeded } from './testing-cell.ts'
import { type DividedTrial, runDividedTrial } from './testing-routers.ts'

const { json: isJson } = readFlags({
  command: 'npm run bench:shares --',
  about: 'Measures what routers that divide a tenant’s cap let through, in virtual time.',
  flags: { json: flag('print JSON') },
})

/** Requests a second. */
const CAP = 200
/** What the tenant sends, of its cap. */
const LOADS = [0.9, 3]
const SECONDS = 120
/** What comes before the first rounds is not what is asked for. */
const WARM_UP = 10
const SEED = 1

/** Of what the tenant sends, the part that arrives at the router. */
const ARRIVALS: Record<string, (router: number, routers: number, second: number) => number> = {
  even: (_, routers) => 1 / routers,
  'nine tenths at one': (router, routers) => (routers === 1 ? 1 : router === 0 ? 0.9 : 0.1 / (routers - 1)),
  'all at one': (router) => (router === 0 ? 1 : 0),
  'at another one every 20 s': (router, routers, second) =>
    Math.floor(second / 20) % routers === router ? 1 : 0,
  'at another one every second': (router, routers, second) => (second % routers === router ? 1 : 0),
}

const admittedOf = (trial: DividedTrial): number => {
  const admitted = runDividedTrial(trial).admitted.slice(WARM_UP)
  return admitted.reduce((sum, count) => sum + count, 0) / admitted.length / CAP
}

const rows = LOADS.flatMap((load) =>
  [1, 2, 4].flatMap((routers) =>
    Object.entries(ARRIVALS).map(([arrival, partOf]) => {
      const trial: Omit<DividedTrial, 'isDivided'> = {
        routers,
        limit: CAP,
        seconds: SECONDS,
        perSecond: (router, second) => load * CAP * partOf(router, routers, second),
      }
      const figure = (isDivided: boolean) =>
        Number(admittedOf({ ...trial, isDivided, random: seeded(SEED) }).toFixed(2))
      return {
        'sent, of the cap': load,
        routers,
        arrival,
        'undivided: admitted, of the cap': figure(false),
        'divided: admitted, of the cap': figure(true),
      }
    }),
  ),
)
if (isJson) console.log(JSON.stringify(rows, null, 2))
else console.table(rows)
