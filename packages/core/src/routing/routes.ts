/**
 * Routes, compiled once: method and path → failover policy, priority, and the cell that an id in the path names.
 *
 * Each path becomes one regular expression. The grammar has no nested repetition (a parameter is one segment, `*` only
 * stands last), so matching is linear in the path, whatever a client sends.
 */
import { type Delivery, type FailoverPolicy, type FleetKind, type Route, slotOfId } from '@cellplane/contract'
import { shareOfPriority } from '../admission/priority.ts'
import { isRead } from './failover.ts'

type CompiledRoute = {
  methods: ReadonlySet<string> | null
  pattern: RegExp
  /** The answer for every request of this route that names no cell, so that none is made for each. */
  match: MatchedRoute
}

export type RouteTable = {
  readonly routes: readonly CompiledRoute[]
  readonly otherwiseRead: MatchedRoute
  readonly otherwiseWrite: MatchedRoute
}

export type MatchedRoute = {
  /** Null when no route matched and the fleet kind's default holds. */
  readonly route: Route | null
  readonly failover: FailoverPolicy
  readonly delivery: Delivery
  /** Of a cell's ceilings, what requests of this route may fill: see `shareOfPriority`. */
  readonly ceilingShare: number
  /** After so long without a byte of an answer a read may be hedged; 0: never. */
  readonly hedgeAfterMs: number
  /** The slot that an id in the path names, or -1. */
  readonly wantedSlot: number
}

/** Without a matching route, a stateless fleet lets alternates do everything, a stateful one only reads. */
export function compileRoutes(
  routes: readonly Route[],
  kind: FleetKind,
  delivery: Delivery = 'proxy',
): RouteTable {
  const isHighInUse = routes.some(({ priority }) => priority === 'high')
  const otherwise = (failover: FailoverPolicy): MatchedRoute => ({
    route: null,
    failover,
    delivery,
    ceilingShare: shareOfPriority('normal', isHighInUse),
    hedgeAfterMs: 0,
    wantedSlot: -1,
  })
  return {
    routes: routes.map((route) => ({
      methods: route.methods ? new Set<string>(route.methods) : null,
      pattern: patternOf(route),
      match: {
        route,
        failover: route.failover,
        delivery: route.delivery ?? delivery,
        ceilingShare: shareOfPriority(route.priority ?? 'normal', isHighInUse),
        hedgeAfterMs: route.hedge_after_ms ?? 0,
        wantedSlot: -1,
      },
    })),
    otherwiseRead: otherwise(kind === 'stateless' ? 'any' : 'read'),
    otherwiseWrite: otherwise(kind === 'stateless' ? 'any' : 'home-only'),
  }
}

/** The first route that fits decides. `path` may carry a query, which is not looked at. HEAD goes where GET goes. */
export function matchRoute(table: RouteTable, method: string, path: string): MatchedRoute {
  const query = path.indexOf('?')
  const pathname = query < 0 ? path : path.slice(0, query)
  for (const { methods, pattern, match } of table.routes) {
    if (methods && !methods.has(method) && !(method === 'HEAD' && methods.has('GET'))) continue
    const found = pattern.exec(pathname)
    if (!found) continue
    const slot = found[1] === undefined ? undefined : slotOfId(found[1])
    return slot === undefined ? match : { ...match, wantedSlot: slot }
  }
  return isRead(method) ? table.otherwiseRead : table.otherwiseWrite
}

/** `/v1/{id}/files/*` → `^/v1/[^/]+/files/.*$`, with a group around the parameter that names the cell. */
function patternOf(route: Route): RegExp {
  const source = route.path.replace(/\{([a-z_]+)\}|\*|[.~-]/g, (token, parameter?: string) => {
    if (token === '*') return '.*'
    if (parameter === undefined) return `\\${token}`
    return parameter === route.cell_in ? '([^/]+)' : '[^/]+'
  })
  return new RegExp(`^${source}$`, 's')
}
