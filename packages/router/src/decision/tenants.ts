/**
 * What this process remembers of each caller: where its requests go by the current view, worked out once, and what it
 * has used of its limits. One look-up a request answers all of it.
 *
 * The number of callers has no bound, so the table has: when it is full, the one that was added longest ago and not used
 * since goes (second chance). To be forgotten costs a caller nothing but the memory of its limits.
 */
import { HEADERS } from '@cellplane/contract'
import {
  createWindowCount,
  type Reach,
  type RetryBudget,
  reachOf,
  readWindowCount,
  rowGeneration,
  sourceKey,
  type WindowCount,
} from '@cellplane/core/data-plane'
import type { Cell } from '../cells/cell.ts'
import { copyText, encodeText } from '../http/request-head.ts'
import { createRateLimit, type RateLimit } from './rate-limit.ts'
import type { RoutingView } from './routing-view.ts'

export type Tenant = {
  readonly key: string
  /** False for a request without a key, which is routed by its source address: cells are not told a tenant then. */
  readonly isTenant: boolean
  /** Of requests: its share of its home's capacity. */
  readonly cap: RateLimit
  /** What quarantine at home lets through; made when it first comes to that, and not refilled when that is confirmed. */
  throttle: RateLimit | null
  /** Of its cap, this process's: see core's `divideLimit`. */
  share: number
  /** Requests that came before its cap since the last report, let through or not. */
  arrived: number
  /** Second attempts that its failures may cause; made when the first one fails. */
  retryBudget: RetryBudget | null
  /** With an outcome, over the last seconds: see `createTenantFigures`. */
  readonly attempts: WindowCount
  /** Since the last report. */
  requests: number
  errors: number
  shard: TenantShard | null
  isRecent: boolean
}

/** Where a tenant's requests may go, by one view. */
export type TenantShard = Reach & {
  readonly view: RoutingView
  readonly generation: number
  /** By this router; where it goes instead is what `view` says. */
  readonly isSuspended: boolean
  /** Of its cap, what quarantine at home lets through; null unless the tenant is in it. */
  readonly throttleShare: number | null
  /** The router's own header lines for a request of this tenant to that cell. Not by index, which is the newest view's. */
  readonly lines: Map<Cell, string>
}

export type TenantCount = { tenant: string; requests: number; errors: number }

export type Tenants = {
  readonly size: number
  /** A tenant by its partition key. */
  of(key: string): Tenant
  /** The caller without a key, by its source address. */
  ofSource(address: string): Tenant
  /** Counts a finished request. */
  count(tenant: Tenant, isError: boolean): void
  /** There is a new view. What was worked out by an old one would keep it in memory until its tenant came again. */
  forgetShards(): void
  /** The busiest since the last call, at most `max`, busiest first. */
  takeBusiest(max: number): TenantCount[]
  /** Attempts of the tenant over the last seconds; 0 when it is not remembered. `now` as on the router's clock. */
  attemptsOf(key: string, now: number): number
  /** What came before the tenants' caps since the last call: of at most `max`, those to whom most came. */
  takeArrivals(max: number): Map<string, number>
  /** This process's share of each tenant's cap, also of those it does not know yet; the whole of those not named. */
  setShares(shares: ReadonlyMap<string, number>): void
}

/** No partition key has a control character, so no tenant is taken for a source. */
const SOURCE_MARK = '\0'

/** How many recent callers are passed over before one of them goes all the same. */
const SECOND_CHANCES_MAX = 8

export function createTenants(max: number): Tenants {
  const all = new Map<string, Tenant>()
  let shares: ReadonlyMap<string, number> = new Map()

  function add(name: string, key: string, isTenant: boolean): Tenant {
    if (all.size >= max) evict()
    const tenant: Tenant = {
      key,
      isTenant,
      cap: createRateLimit(),
      throttle: null,
      share: (isTenant ? shares.get(key) : undefined) ?? 1,
      arrived: 0,
      retryBudget: null,
      attempts: createWindowCount(),
      requests: 0,
      errors: 0,
      shard: null,
      isRecent: false,
    }
    all.set(name, tenant)
    return tenant
  }

  function evict(): void {
    let chances = SECOND_CHANCES_MAX
    for (const [name, tenant] of all) {
      all.delete(name)
      if (!tenant.isRecent || chances-- === 0) return
      tenant.isRecent = false
      all.set(name, tenant)
    }
  }

  function find(name: string): Tenant | undefined {
    const tenant = all.get(name)
    if (tenant) tenant.isRecent = true
    return tenant
  }

  return {
    get size() {
      return all.size
    },
    of(key) {
      const known = find(key)
      if (known) return known
      const kept = copyText(key)
      return add(kept, kept, true)
    },
    ofSource: (address) =>
      find(SOURCE_MARK + address) ?? add(SOURCE_MARK + address, sourceKey(address), false),
    count(tenant, isError) {
      tenant.requests++
      if (isError) tenant.errors++
    },
    forgetShards() {
      for (const tenant of all.values()) tenant.shard = null
    },
    takeBusiest(countMax) {
      const active = [...all.values()].filter(({ isTenant, requests }) => isTenant && requests > 0)
      const taken = busiest(active, countMax, (tenant) => tenant.requests)
      const counts = taken.map(({ key, requests, errors }) => ({ tenant: key, requests, errors }))
      for (const tenant of active) {
        tenant.requests = 0
        tenant.errors = 0
      }
      return counts
    },
    attemptsOf(key, now) {
      const tenant = all.get(key)
      return tenant ? readWindowCount(tenant.attempts, now) : 0
    },
    takeArrivals(countMax) {
      const active = [...all.values()].filter(({ arrived }) => arrived > 0)
      const taken = busiest(active, countMax, (tenant) => tenant.arrived)
      const arrivals = new Map(taken.map(({ key, arrived }) => [key, arrived]))
      for (const tenant of active) tenant.arrived = 0
      return arrivals
    },
    setShares(next) {
      // A tenant's name in the table is its key.
      for (const key of shares.keys()) setShare(all.get(key), 1)
      for (const [key, share] of next) setShare(all.get(key), share)
      shares = next
    },
  }
}

function setShare(tenant: Tenant | undefined, share: number): void {
  if (tenant) tenant.share = share
}

/** Sorting all of many would hold up requests; sorting their counts alone is ten times as fast, and says who is worth it. */
function busiest(tenants: readonly Tenant[], max: number, countOf: (tenant: Tenant) => number): Tenant[] {
  const byCount = (a: Tenant, b: Tenant) => countOf(b) - countOf(a)
  if (tenants.length <= max) return [...tenants].sort(byCount)
  const least = Float64Array.from(tenants, countOf).sort()[tenants.length - max]!
  return tenants
    .filter((tenant) => countOf(tenant) >= least)
    .sort(byCount)
    .slice(0, max)
}

/** The tenant's shard by `view`, worked out anew only when the view is another one. */
export function shardIn(view: RoutingView, tenant: Tenant): TenantShard {
  if (tenant.shard?.view === view) return tenant.shard
  const reach = reachOf(view, tenant.key)
  const generation = rowGeneration(view.snapshot, reach.row)
  const isSuspended = tenant.isTenant && view.suspended.has(tenant.key)
  const throttleShare = (tenant.isTenant ? view.throttled.get(tenant.key) : undefined) ?? null
  const shard: TenantShard = { ...reach, view, generation, isSuspended, throttleShare, lines: new Map() }
  tenant.shard = shard
  return shard
}

/**
 * The header lines by which a cell knows a router and learns what it decided. A cell outside of the shard is the
 * quarantine cell, which stands in for all of it.
 */
export function linesTo(cell: Cell, tenant: Tenant, shard: TenantShard): string {
  const known = shard.lines.get(cell)
  if (known !== undefined) return known
  const { snapshot, cells } = shard.view
  const shardIds = shard.cells.map((index) => snapshot.cells[index]!.id)
  const isInShard = shardIds.includes(cell.id)
  const lines = [
    [HEADERS.cell, cell.id],
    [HEADERS.role, cell === cells[shard.home] || !isInShard ? 'home' : 'alternate'],
    [HEADERS.generation, String(isInShard ? shard.generation : 0)],
    [HEADERS.shard, isInShard ? shardIds.join(',') : cell.id],
    [HEADERS.secret, cell.secret],
    ...(tenant.isTenant ? [[HEADERS.tenant, encodeText(tenant.key)]] : []),
  ]
  const text = lines.map(([name, value]) => `${name}: ${value}\r\n`).join('')
  shard.lines.set(cell, text)
  return text
}
