/**
 * Latency in an open loop at 70 % of what the contestant can carry, and HAProxy with cell routing at that same rate.
 *
 * Capacity is what one core of the proxy could answer: requests a second over the share of the core that they took, in a
 * closed loop. So it is the proxy's own, also where the generator's core is full before the proxy's is.
 */
import type { Contestant } from '../contestants/contestant.ts'
import { round } from '../measure/statistics.ts'
import { CONNECTIONS } from '../workload.ts'
import { alternate, compile } from './alternate.ts'
import { type Entry, entriesOf, type Row, targetOf } from './row.ts'

const LOAD_SHARE = 0.7
const REFERENCE = 'haproxy-cell'

/** `pace`: the entry whose rate it is measured at. */
type PacedEntry = Entry & { pace: string }

export const latency: Row = {
  name: 'latency',
  about: `latency at ${LOAD_SHARE * 100} % of the contestant's own capacity; "at" another's: at that one's rate`,
  compared: 'p99Us',
  contestants: ['cellplane', REFERENCE],
  async run(context) {
    const { generator, effort, contestants } = context
    const rates = new Map<string, number>()
    return alternate(context, pacedEntries(entriesOf(context), contestants), {
      async warmUp(running, entry) {
        await compile(context, running, entry)
        const measured = await generator.closedLoop({
          target: targetOf(running, entry),
          connections: CONNECTIONS,
          warmUpMs: effort.warmUpMs,
          measureMs: effort.measureMs,
        })
        rates.set(entry.name, (LOAD_SHARE * measured.requestsPerSecond) / measured.proxyUtilisation)
      },
      async measure(running, entry) {
        const requestsPerSecond = rates.get((entry as PacedEntry).pace)!
        const found = await generator.openLoop({
          target: targetOf(running, entry),
          connections: CONNECTIONS,
          requestsPerSecond,
          warmUpMs: effort.warmUpMs,
          measureMs: effort.measureMs,
        })
        return {
          p50Us: found.p50Us,
          p99Us: found.p99Us,
          generatorLagP99Us: found.lagP99Us,
          requestsPerSecond: round(requestsPerSecond, 0),
          achievedPerSecond: round(found.achievedPerSecond, 0),
        }
      },
    })
  },
}

/** Each at its own rate, and the reference once more at the rate of each other. */
function pacedEntries(entries: readonly Entry[], contestants: readonly Contestant[]): PacedEntry[] {
  const reference = contestants.find(({ name }) => name === REFERENCE)
  return entries.flatMap((entry) => {
    const own: PacedEntry = { ...entry, pace: entry.name }
    if (!reference || entry.name === REFERENCE) return [own]
    return [own, { name: `${REFERENCE} at ${entry.name}'s`, contestant: reference, pace: entry.name }]
  })
}
