/** What this process carries and has refused, counted. */
import type { ProblemCode } from '@cellplane/contract'
import { LOCAL_FAILURES, type LocalFailure } from './local-failure.ts'

export type Traffic = {
  readonly inFlight: number
  readonly requests: number
  /** Requests without a partition key, routed by their source address. */
  readonly failedOpen: number
  readonly refusals: ReadonlyMap<ProblemCode, number>
  /** Connections to cells that this process could not even open, by what it lacked. */
  readonly localFailures: ReadonlyMap<LocalFailure, number>
  begin(): void
  end(): void
  countFailOpen(): void
  countRefusal(code: ProblemCode): void
  countLocalFailure(what: LocalFailure): void
}

export function createTraffic(): Traffic {
  const refusals = new Map<ProblemCode, number>()
  const localFailures = new Map<LocalFailure, number>(LOCAL_FAILURES.map((what) => [what, 0]))
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
    localFailures,
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
    countLocalFailure(what) {
      localFailures.set(what, localFailures.get(what)! + 1)
    },
  }
}
