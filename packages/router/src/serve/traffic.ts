/** What this process carries and has refused, counted. */
import type { ProblemCode } from '@cellplane/contract'

export type Traffic = {
  readonly inFlight: number
  readonly requests: number
  /** Requests without a partition key, routed by their source address. */
  readonly failedOpen: number
  readonly refusals: ReadonlyMap<ProblemCode, number>
  begin(): void
  end(): void
  countFailOpen(): void
  countRefusal(code: ProblemCode): void
}

export function createTraffic(): Traffic {
  const refusals = new Map<ProblemCode, number>()
  let inFlight = 0
  let requests = 0
  let failedOpen = 0
  return {
    get inFlight() {
      return inFlight
    },
    get requests() {
      return requests
    },
    get failedOpen() {
      return failedOpen
    },
    refusals,
    begin() {
      inFlight++
      requests++
    },
    end() {
      inFlight--
    },
    countFailOpen() {
      failedOpen++
    },
    countRefusal(code) {
      refusals.set(code, (refusals.get(code) ?? 0) + 1)
    },
  }
}
