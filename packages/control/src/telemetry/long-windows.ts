/**
 * Answers for long windows that are asked for at every look, remembered for a small part of their length. A page needs the
 * last minutes as they are, and the last hour; what three days had is the same half a minute later, and a Prometheus reads
 * every scrape of them to say so.
 *
 *     up to an hour        asked for each time
 *     longer               remembered for a 240th of the window, five minutes at most: of 6 h 90 s, of a day five minutes
 */
import type { Counts } from '@cellplane/core'
import type { FleetMetrics, Indicator } from '@cellplane/telemetry'

const FRESH_SECONDS_MAX = 3_600
const REMEMBERED_SHARE = 1 / 240
const REMEMBERED_MS_MAX = 300_000

type AskCounts = FleetMetrics['counts']

/** Bounded by the objectives and their windows: eight of either. */
export function rememberLongWindows(ask: AskCounts): AskCounts {
  const remembered = new Map<string, { until: number; counts: ReadonlyMap<string, Counts> }>()
  return async (window, indicator?: Indicator) => {
    const { until, seconds } = window
    if (seconds <= FRESH_SECONDS_MAX) return await ask(window, indicator)
    const key = `${seconds} ${JSON.stringify(indicator)}`
    const known = remembered.get(key)
    const ageMs = until - (known?.until ?? Number.NEGATIVE_INFINITY)
    if (known && ageMs >= 0 && ageMs < Math.min(REMEMBERED_MS_MAX, seconds * 1_000 * REMEMBERED_SHARE)) {
      return known.counts
    }
    const counts = await ask(window, indicator)
    remembered.set(key, { until, counts })
    return counts
  }
}
