/** What this process carries and has refused, counted; and which tenants it was for. */
import type { ProblemCode } from '@cellplane/contract'
import type { BusiestTenants } from '../reports/busiest-tenants.ts'

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
  countTenant(tenant: string, isError: boolean): void
}

export function createTraffic(busiest: BusiestTenants): Traffic {
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
    countTenant: (tenant, isError) => busiest.count(tenant, isError),
  }
}
