/** What the scenario is to show. */
import { countAll } from '../present.ts'
import type { BadFileResult } from './run.ts'

export const ROUTERS = 2

export function isUnnoticed(result: BadFileResult): boolean {
  const { failures, moved, refusedBy, marksIgnoredBecause, freshRouter } = result
  return (
    countAll(failures) === 0 &&
    moved === 0 &&
    Object.values(refusedBy).every((routers) => routers === ROUTERS) &&
    /presumed wrong/.test(marksIgnoredBecause) &&
    freshRouter.right === freshRouter.asked &&
    result.versionAfter === result.versionBefore
  )
}
