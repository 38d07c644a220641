/** What the replay is to show, as bounds: loose enough for a busy machine, tight enough to be worth saying. */
import type { Replay } from './run.ts'

export const TENANTS_SPREAD_MIN = 0.5
export const OUT_AFTER_MS_MAX = 5_000
/** The retry budget is 20 % of the requests and a small reserve. */
export const ATTEMPTS_PER_CALL_MAX = 1.25
/** Of what an instance can do, which is what its cell declares as its ceiling. */
export const OTHERS_LOAD_MAX = 1
/** One backoff and one late call beyond the time that it may take until the cell is out. */
export const LAST_FAILURE_AFTER_MS_MAX = 7_000

/** The failure has spread: more than half of all tenants saw one. */
export function isSpread({ seen }: Replay): boolean {
  return seen.tenantsFailed > TENANTS_SPREAD_MIN * seen.tenants
}

/** Only tenants of the broken cell saw a failure, if anybody, and for seconds; the proxy made no load of its own, and no other cell had more than its ceiling. */
export function isContained({
  withoutBroken,
  outAfterMs,
  lastFailureAfterMs,
  attemptsPerCall,
  mostLoadedOther,
  refusedByOthers,
}: Replay): boolean {
  return (
    withoutBroken.failures === 0 &&
    outAfterMs !== null &&
    outAfterMs < OUT_AFTER_MS_MAX &&
    (lastFailureAfterMs ?? 0) < LAST_FAILURE_AFTER_MS_MAX &&
    attemptsPerCall < ATTEMPTS_PER_CALL_MAX &&
    mostLoadedOther <= OTHERS_LOAD_MAX &&
    refusedByOthers === 0
  )
}
