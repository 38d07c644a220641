/** What the replay is to show, as bounds: loose enough for a busy machine, tight enough to be worth saying. */
import type { Plan } from './plan.ts'
import type { Replay } from './run.ts'

/** Of the good tenants' requests, where the poisonous tenant walks. */
export const FAILED_SHARE_MIN = 0.1
export const QUARANTINED_AFTER_MS_MAX = 5_000

/** It has been in more than half of the cells, and good tenants pay for it to the end. */
export function walks({ cellsCrashed, good }: Replay, { cells }: Plan): boolean {
  return cellsCrashed > cells / 2 && good.failures > FAILED_SHARE_MIN * good.requests
}

/** Nothing but its shard is hit; both bad tenants are in quarantine; no cell is out for what a tenant does. */
export function isContained(replay: Replay, { shardSize }: Plan): boolean {
  return (
    replay.cellsCrashed <= shardSize &&
    isInTime(replay.poison.quarantinedAfterMs) &&
    isInTime(replay.failing.quarantinedAfterMs) &&
    replay.failing.cellsOut.length === 0 &&
    replay.failing.goodFailures === 0
  )
}

const isInTime = (ms: number | null): boolean => ms !== null && ms <= QUARANTINED_AFTER_MS_MAX
