/**
 * The tenure of this replica, or none. One that is over takes with it what only a leader knows: whoever does not lead watches
 * no cells, has crowded none, and holds nothing back. Unless the next has begun already, whose knowledge that is.
 */
import { startTenure, type Tenure, type TenureParts } from './tenure.ts'

export type Leadership = ReturnType<typeof createLeadership>

export function createLeadership() {
  let tenure: Tenure | undefined
  return {
    current: (): Tenure | undefined => tenure,
    /** With the lease; `signal` ends it. */
    begin(parts: TenureParts, signal: AbortSignal): Tenure {
      const mine = startTenure(parts, signal)
      tenure = mine
      void mine.ended.then(() => {
        if (tenure !== mine) return
        tenure = undefined
        parts.observations.watch([])
        parts.cellReconciler.forget()
        parts.publisher.forget()
        parts.automation.clear()
      })
      return mine
    },
  }
}
