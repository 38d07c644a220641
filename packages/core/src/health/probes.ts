/**
 * Active probes: the health of one cell from the answers of its health path, with hysteresis.
 *
 *     unknown ──(1 success)──▶ healthy ──(unhealthy_after failures in a row)──▶ unhealthy
 *        └──(unhealthy_after failures in a row)──▶ unhealthy ──(healthy_after successes in a row)──▶ healthy
 *
 * A control plane that has just started knows nothing: unknown is never taken for unhealthy.
 */
import type { HealthPolicy } from '@cellplane/contract/fleet-file'

export type ProbeState = {
  readonly health: 'unknown' | 'healthy' | 'unhealthy'
  /** When that health began, ms since the epoch. */
  readonly since: number
  readonly reason: string
  /** Results in a row that speak against `health`. */
  readonly contrary: number
}

/** `reason` says what a failed probe met: `connection refused`, `503`, `no answer in 1000 ms`. */
export type ProbeResult = { isHealthy: boolean; reason: string }

export const UNPROBED: ProbeState = { health: 'unknown', since: 0, reason: 'not probed yet', contrary: 0 }

export function nextProbeState(
  state: ProbeState,
  result: ProbeResult,
  policy: Pick<HealthPolicy, 'unhealthy_after' | 'healthy_after'>,
  now: number,
): ProbeState {
  const health = result.isHealthy ? 'healthy' : 'unhealthy'
  if (state.health === health) return { ...state, reason: result.reason, contrary: 0 }
  const needed = !result.isHealthy
    ? policy.unhealthy_after
    : state.health === 'unknown'
      ? 1
      : policy.healthy_after
  const contrary = (state.health === 'unknown' && result.isHealthy ? 0 : state.contrary) + 1
  return contrary >= needed
    ? { health, since: now, reason: result.reason, contrary: 0 }
    : { ...state, contrary }
}
