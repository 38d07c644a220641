/** What cells are asked at the moment, in requests a second: for checks of what would be left of a fleet's capacity. */
import { FINE_SECONDS, type FleetMetrics } from '@cellplane/telemetry'

/** Long enough that a second's pause says nothing, short enough to be the load of now. */
const WINDOW_SECONDS = 60
const STEP_MS = FINE_SECONDS * 1_000

/** By cell id; null when no request was counted in the window. `now` in ms since the epoch. */
export async function requestRates(
  metrics: Pick<FleetMetrics, 'counts'>,
  now: number,
): Promise<ReadonlyMap<string, number> | null> {
  // The step that goes on has a part of its requests only.
  const until = Math.floor(now / STEP_MS) * STEP_MS
  const counts = await metrics.counts({ until, seconds: WINDOW_SECONDS })
  const rates = new Map([...counts].map(([cell, { total }]) => [cell, total / WINDOW_SECONDS]))
  return [...rates.values()].some((rate) => rate > 0) ? rates : null
}
