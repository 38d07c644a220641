/**
 * Which part of each limit a router may use: the answer to its report. What a division is, and why, is core's
 * `divideLimit` and `createLimitDivider`; here is who reports and what the limits are.
 *
 * Only the replica with the lease divides, as only it takes reports: two that see half of them each would divide
 * differently. A router that asks another one is told nothing, and keeps what it has for as long as that is good. Nothing
 * is stored: a new leader knows all that it needs within seconds.
 */
import type { RouterReport, RouterShares } from '@cellplane/contract'
import { createLimitDivider, type Division, type Snapshot, shardOf, shardRow } from '@cellplane/core'
import type { Published } from '../topology/published.ts'
import { ROUTER_SILENT_AFTER_MS, type RouterReports } from './router-reports.ts'

/**
 * Divided so often, so that what a router is told is not much older than its question; they all ask once a second. It takes
 * 3 ms for 16 routers that name 256 tenants each, 14 ms for 100.
 */
const ROUND_MS = 500

/** Every router that runs has reported by then. Before it, a division would be between those that came first. */
const SETTLE_MS = 2_500

/** For so long a router keeps its shares when it hears nothing: twice the time after which it counts as silent itself. */
const VALID_SECONDS = (2 * ROUTER_SILENT_AFTER_MS) / 1000

/** As many as an answer may name. */
const CELLS_MAX = 10_000
const TENANTS_MAX = 1_000

const NO_SHARES: RouterShares = { routers: 0, cells: [], tenants: [], valid_seconds: 0 }

export type RouterSharesOptions = {
  published: Pick<Published, 'base'>
  routers: Pick<RouterReports, 'dividing' | 'inFlightBySlot'>
  isLeader(): boolean
  /** Ms that never step back. */
  now(): number
}

type Round = {
  at: number
  routers: readonly string[]
  cells: Division<number>
  tenants: Division<string>
}

/** What is known since this replica has the lease, and routers report to it. */
type Term = ReturnType<typeof beginTerm>

export type RouterSharing = ReturnType<typeof createRouterSharing>

export function createRouterSharing({ published, routers, isLeader, now }: RouterSharesOptions) {
  let term: Term | null = null
  let limits: Limits | null = null

  function divide(term: Term, limits: Limits, at: number): Round {
    const dividing = routers.dividing()
    const inFlight = routers.inFlightBySlot()
    return {
      at,
      routers: dividing,
      cells: term.cells.divide(dividing, (slot, perSecond) => limits.cellLoad(slot, perSecond, inFlight)),
      tenants: term.tenants.divide(dividing, limits.tenantLoad),
    }
  }

  return {
    /** Takes what arrived at the router, and answers with its shares. The report was accepted before. */
    answer({ router, arrivals }: Pick<RouterReport, 'router' | 'arrivals'>): RouterShares {
      const snapshot = published.base()?.snapshot
      if (!isLeader() || !snapshot) {
        term = null
        return NO_SHARES
      }
      const at = now()
      // A replica that lost the lease for a while heard nobody meanwhile.
      if (!term || at - term.heardAt > ROUTER_SILENT_AFTER_MS) term = beginTerm(at)
      term.heardAt = at
      if (!arrivals) return NO_SHARES
      const { ms, cells, tenants } = arrivals
      term.cells.record(router, { ms, counts: new Map(cells.map(({ slot, requests }) => [slot, requests])) })
      term.tenants.record(router, {
        ms,
        counts: new Map(tenants.map(({ tenant, requests }) => [tenant, requests])),
      })
      if (at - term.since < SETTLE_MS) return NO_SHARES
      if (limits?.of !== snapshot) limits = limitsOf(snapshot)
      if (!term.round || at - term.round.at >= ROUND_MS) term.round = divide(term, limits, at)
      const { round } = term
      const index = round.routers.indexOf(router)
      // New in this round: the next one has it.
      if (index < 0) return NO_SHARES
      return {
        routers: round.routers.length,
        cells: Array.from(round.cells, ([slot, shares]) => ({ slot, share: shares[index]! })),
        tenants: Array.from(round.tenants, ([tenant, shares]) => ({ tenant, share: shares[index]! })),
        valid_seconds: VALID_SECONDS,
      }
    },
  }
}

function beginTerm(since: number) {
  return {
    since,
    heardAt: since,
    cells: createLimitDivider<number>(CELLS_MAX),
    tenants: createLimitDivider<string>(TENANTS_MAX),
    round: null as Round | null,
  }
}

type Limits = ReturnType<typeof limitsOf>

/** How full the limits of a base are. Routers apply the same ones: see the router's `admission.ts`. */
function limitsOf(snapshot: Snapshot) {
  const capacities = new Map(snapshot.base.cells.map(({ slot, capacity }) => [slot, capacity]))
  const rateOf = (slot: number) => capacities.get(slot)?.requests_per_second
  return {
    of: snapshot,
    /** Of that ceiling which is fuller. Undefined for a cell that declares none. */
    cellLoad(slot: number, perSecond: number, inFlight: ReadonlyMap<number, number>): number | undefined {
      const { requests_per_second: rate, in_flight: inFlightMax } = capacities.get(slot) ?? {}
      if (rate === undefined && inFlightMax === undefined) return undefined
      const byRate = rate === undefined ? 0 : perSecond / rate
      const byInFlight = inFlightMax === undefined ? 0 : (inFlight.get(slot) ?? 0) / inFlightMax
      return Math.max(byRate, byInFlight)
    },
    /** Undefined where the home declares no rate. */
    tenantLoad(tenant: string, perSecond: number): number | undefined {
      const [home] = shardOf(snapshot, shardRow(snapshot, tenant))
      const rate = home === undefined ? undefined : rateOf(snapshot.cells[home]!.slot)
      return rate === undefined ? undefined : (perSecond * snapshot.shardSize) / rate
    },
  }
}
