/**
 * Requests of one router: arrive by chance, are decided by the shipped code, and are answered by the simulated cells. It
 * stands where the public port and its connections stand, and does in a few lines what matters of them: admission, one
 * attempt, the outcome told to whom it concerns, and a second attempt where the shipped rule allows one.
 */
import { type CellTarget, matchRoute, type Wish } from '@cellplane/core'
import {
  admitAtCell,
  admitTenant,
  type BrokenRequest,
  draw,
  isUnserved,
  MISDIRECTED,
  pickCell,
  pickSecondTarget,
  shardIn,
  type Tenant,
  type TenantShard,
  takeRetry,
} from '@cellplane/router/parts'
import type { CellNode, CellOutcome } from './cell-node.ts'
import type { RouterNode } from './router-node.ts'
import type { World } from './world.ts'

export type Load = {
  tenants: readonly string[]
  /** Of this router, per second. */
  requestsPerSecond: number
  /** Whom more is sent for than for others, and what share of all. */
  heavy: { tenant: string; share: number }
}

export type RequestCounts = { sent: number; failed: number }

/** Share of requests that write; they are home-only in a stateful fleet. */
const WRITE_SHARE = 0.3
const NOT_BACKGROUND = { isBackground: false }

export function startExchange(
  world: World,
  router: RouterNode,
  load: () => Load,
  cellOf: (id: string) => CellNode | undefined,
  counts: RequestCounts,
): void {
  const { owner } = router
  const random = owner.random.fork('requests')

  function arrive(): void {
    const { tenants, requestsPerSecond, heavy } = load()
    const name = random.chance(heavy.share) ? heavy.tenant : random.pick(tenants)
    request(name, random.chance(WRITE_SHARE) ? 'POST' : 'GET')
    world.schedule(owner, random.between(0, 2_000) / requestsPerSecond, arrive)
  }
  world.schedule(owner, random.between(0, 1_000), arrive)

  function request(key: string, method: string): void {
    const view = router.view()
    if (!view) return
    counts.sent++
    const tenant = router.tenants.of(key)
    const wish: Wish = {
      method,
      route: matchRoute(view.routes, method, '/v1/orders'),
      wantedCell: undefined,
      hasIdempotencyKey: false,
    }
    const shard = shardIn(view, tenant)
    if (!admitTenant(view, tenant, shard, now())) return
    const target = pickCell(tenant, shard, wish, draw())
    if ('code' in target) return finish(tenant, true)
    attempt(tenant, shard, target, wish, null, true)
  }

  function finish(tenant: Tenant, isError: boolean): void {
    if (isError) counts.failed++
    router.tenants.count(tenant, isError)
  }

  function attempt(
    tenant: Tenant,
    shard: TenantShard,
    target: CellTarget,
    wish: Wish,
    broken: BrokenRequest | null,
    isFirst: boolean,
  ): void {
    const { cells, crashes } = router
    const cell = shard.view.cells[target.index]!
    const node = cellOf(cell.id)
    if (!node || !admitAtCell(cell, wish.route, NOT_BACKGROUND, now())) return finish(tenant, true)
    const attempted = { cell, caller: shard.row, tenant, startedAt: now(), hasAnswer: false }
    cells.begin(cell)
    const isHome = target.index === shard.home
    const sent = {
      from: router.place,
      tenant: tenant.key,
      role: isHome ? ('home' as const) : ('alternate' as const),
      generation: shard.generation,
      failover: wish.route.failover,
    }
    node.serve(owner, sent, (outcome) => {
      const own = note(outcome)
      cells.end(attempted)
      if (outcome.kind === 'answer' && !isUnserved(outcome.status) && outcome.status !== MISDIRECTED) {
        if (outcome.status < 500) broken?.clear()
        return finish(tenant, outcome.status >= 500)
      }
      if (!isFirst) return finish(tenant, true)
      if (outcome.kind === 'answer' && outcome.status === MISDIRECTED) {
        void router.refresh().then(() => again())
        return
      }
      const reached = outcome.kind === 'failure' && outcome.why === 'connect' ? 'nothing' : 'something'
      const second = pickSecondTarget(shard, target, wish, reached, crashes.isSuspect(tenant), draw())
      if (!second || !takeRetry(tenant, cell, now())) return finish(tenant, true)
      attempt(tenant, shard, second, wish, own, false)
    })

    function note(outcome: CellOutcome): BrokenRequest | null {
      if (outcome.kind === 'answer') {
        const answeredAt = cells.countAnswer(attempted, outcome.status)
        cells.countWhole(cell, outcome.status, answeredAt)
        return null
      }
      cells.countFailure(attempted, outcome.why === 'connect')
      return crashes.attemptFailed(attempted, tenant, outcome.why)
    }

    /** The cell processed nothing: the topology was asked for, and the cell is picked anew. */
    function again(): void {
      const view = router.view()
      if (!view) return finish(tenant, true)
      const fresh = shardIn(view, tenant)
      const next = pickCell(tenant, fresh, wish, draw())
      if ('code' in next) return finish(tenant, true)
      attempt(tenant, fresh, next, wish, null, false)
    }
  }

  const now = () => performance.timeOrigin + performance.now()
}
