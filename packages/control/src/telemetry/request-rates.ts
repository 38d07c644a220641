/** What cells are asked at the moment, in requests a second: for checks of what would be left of a fleet's capacity. */
import type { FleetMetrics } from '@cellplane/telemetry'

/** Long enough that a second's pause says nothing, short enough to be the load of now. */
const WINDOW_SECONDS = 60

/** By cell id; null when no request was counted in the window. `now` in ms since the epoch. */
export async function requestRates(
  metrics: Pick<FleetMetrics, 'counts'>,
  now: number,
): Promise<ReadonlyMap<string, number> | null> {
  const counts = await metrics.counts({ until: now, seconds: WINDOW_SECONDS })
  const rates = new Map([...counts].map(([cell, { total }]) => [cell, total / WINDOW_SECONDS]))
  return [...rates.values()].some((rate) => rate > 0) ? rates : null
}
