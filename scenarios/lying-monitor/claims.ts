/** What the scenario is to show. */
import { countAll } from '../present.ts'
import type { LyingResult } from './run.ts'

export function isUntouched(result: LyingResult): boolean {
  return (
    countAll(result.failures) === 0 &&
    result.marksMax === 0 &&
    result.verdicts.every((verdict) => verdict === 'suspect') &&
    /the monitor is presumed wrong/.test(result.reason) &&
    result.moved === 0
  )
}
