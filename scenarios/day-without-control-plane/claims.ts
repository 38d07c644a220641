/** What the scenario is to show. */
import { TOPOLOGY_TTL_SECONDS } from '@cellplane/core'
import type { DayResult } from './run.ts'

/** Of routers that outages made try a second cell: they find each one again, by ejections that grow longer. */
export const SECOND_ATTEMPTS_SHARE_MAX = 0.01

export function isUneventful(day: DayResult): boolean {
  return (
    day.failures === 0 &&
    day.secondAttempts < SECOND_ATTEMPTS_SHARE_MAX * day.requests &&
    day.leftMarked.length === 1 &&
    day.markLapsedAfterS <= TOPOLOGY_TTL_SECONDS + 1 &&
    day.homeAgain.right === day.homeAgain.asked &&
    day.restarted.right === day.restarted.asked &&
    day.movedByReturn === 0 &&
    day.marksAfterReturn === 0 &&
    day.refusals.length === 0
  )
}
