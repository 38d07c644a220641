/**
 * Which cell a request goes to, and whether it is sent there or told to go itself. A view, a request and a draw in, a
 * target out: routers and the direct client decide with this and nothing else.
 *
 * 1. A request that names its cell, by an id in its path or by `x-cell`, goes there and nowhere else, as what it asks
 *    for is there and nowhere else; provided that the cell is or was in the tenant's shard. A stranger's id falls through
 *    to 2, and the cell that it reaches knows nothing of it; a strange `x-cell` is an error.
 * 2. Otherwise `chooseCell` picks from the row. When that is not the home, the route's failover policy must let an
 *    alternate do it; else it goes to the home all the same, down or not, so that the failure shows where it is.
 *
 * A route may ask for the redirect instead of the proxy. Then the caller still comes through the router when it has no
 * key (whose cell would it be told?), when the cell is out (a redirect to a dead cell is an error that nobody explains,
 * and a request that is proxied can still be tried elsewhere), and with OPTIONS (browsers follow no redirect of a preflight).
 */
import type { RoutingIndex } from '../topology/routing-index.ts'
import { chooseCell, FITNESS_OUT } from './choose-cell.ts'
import { mayFailOver } from './failover.ts'
import type { MatchedRoute, RouteTable } from './routes.ts'
import { rowStart, shardRow, shardsOf } from './rows.ts'

/** What requests are decided by. The two arrays, by cell index, are those of the moment. */
export type DecisionView = {
  readonly snapshot: RoutingIndex
  readonly routes: RouteTable
  /** Tenants that go to the quarantine cell: `quarantinedTenants`. */
  readonly quarantined: ReadonlySet<string>
  readonly fitness: Uint8Array
  readonly inFlight: Uint32Array
}

/** Where a tenant's requests may go. */
export type Reach = {
  readonly row: number
  readonly home: number
  /** Cell indexes of the current and former shards, home first. */
  readonly cells: readonly number[]
}

export type Wish = {
  method: string
  route: MatchedRoute
  /** The value of `x-cell`. */
  wantedCell: string | undefined
  hasIdempotencyKey: boolean
}

export type CellTarget = Extract<Target, { kind: 'cell' }>

export type Target =
  | {
      kind: 'cell'
      index: number
      row: number
      /** The request named this cell; no other can answer it. */
      isNamed: boolean
    }
  | { kind: 'down'; index: number }
  | { kind: 'refused'; detail: string }

/** The row whose cells serve the key: quarantine first, then overrides, then the table. */
export function rowOf(
  { snapshot, quarantined }: Pick<DecisionView, 'snapshot' | 'quarantined'>,
  key: string,
): number {
  return quarantined.size > 0 && quarantined.has(key) ? snapshot.quarantineRow : shardRow(snapshot, key)
}

/** Whether the id in its path names a cell that the tenant neither has nor had, by this view: another's id, or news. */
export function namesStrangeCell({ indexOfSlot }: RoutingIndex, { cells }: Reach, { route }: Wish): boolean {
  return route.wantedSlot >= 0 && !cells.includes(indexOfSlot(route.wantedSlot))
}

/** Allocates: to be kept for as long as the view is current. */
export function reachOf(view: DecisionView, key: string): Reach {
  const row = rowOf(view, key)
  const { members } = view.snapshot
  return { row, home: members[rowStart(view.snapshot, row)]!, cells: shardsOf(view.snapshot, row, key) }
}

export function pickTarget(view: DecisionView, reach: Reach, wish: Wish, draw: number): Target {
  const { snapshot, fitness, inFlight } = view
  const { row, home, cells } = reach
  const named = namedCell(snapshot, wish, cells)
  if (named === 'refused') {
    const names = cells.map((index) => snapshot.cells[index]!.id).join(', ')
    return {
      kind: 'refused',
      detail: `x-cell names a cell that does not serve this tenant; expected one of ${names}`,
    }
  }
  if (named >= 0) {
    return fitness[named] === FITNESS_OUT
      ? { kind: 'down', index: named }
      : { kind: 'cell', index: named, row, isNamed: true }
  }
  const chosen = chooseCell(snapshot, row, fitness, inFlight, draw, -1)
  const isAllowed = chosen === home || mayFailOver(wish.route.failover, wish.method, wish.hasIdempotencyKey)
  return { kind: 'cell', index: isAllowed ? chosen : home, row, isNamed: false }
}

/**
 * Where the caller is told to go, or undefined when the request is proxied.
 *
 * @param path the request target, which begins with `/`
 * @param hasKey false for a request that is routed by its source address
 */
export function redirectUrl(
  { snapshot, fitness }: DecisionView,
  { method, route }: Wish,
  index: number,
  path: string,
  hasKey: boolean,
): string | undefined {
  if (route.delivery !== 'redirect' || !hasKey || method === 'OPTIONS') return undefined
  return fitness[index] === FITNESS_OUT ? undefined : snapshot.cells[index]!.publicUrl + path
}

function namedCell(snapshot: RoutingIndex, wish: Wish, shard: readonly number[]): number | 'refused' {
  if (wish.wantedCell !== undefined) {
    const index = snapshot.indexOfCell(wish.wantedCell)
    return index >= 0 && shard.includes(index) ? index : 'refused'
  }
  if (wish.route.wantedSlot < 0) return -1
  const index = snapshot.indexOfSlot(wish.route.wantedSlot)
  return shard.includes(index) ? index : -1
}
