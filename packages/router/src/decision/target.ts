/**
 * Which cell a request goes to. Pure: the view, the request and a draw in, a target out.
 *
 * 1. A request that names its cell, by an id in its path or by `x-cell`, goes there and nowhere else, as what it asks
 *    for is there and nowhere else; provided that the cell is or was in the tenant's shard. A stranger's id falls through
 *    to 2, and the cell that it reaches knows nothing of it; a strange `x-cell` is an error.
 * 2. Otherwise `chooseCell` picks from the row. When that is not the home, the route's failover policy must let an
 *    alternate do it; else it goes to the home all the same, down or not, so that the failure shows where it is.
 */
import { chooseCell, type MatchedRoute, mayFailOver } from '@cellplane/core'
import type { RoutingView } from './routing-view.ts'
import type { TenantShard } from './tenants.ts'

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

export function pickTarget({ view, row, home, cells }: TenantShard, wish: Wish, draw: number): Target {
  const { snapshot, fitness } = view
  const named = namedCell(view, wish, cells)
  if (named === 'refused') {
    const names = cells.map((index) => snapshot.cells[index]!.id).join(', ')
    return {
      kind: 'refused',
      detail: `x-cell names a cell that does not serve this tenant; expected one of ${names}`,
    }
  }
  if (named >= 0) {
    return fitness[named] === 0
      ? { kind: 'down', index: named }
      : { kind: 'cell', index: named, row, isNamed: true }
  }
  const chosen = chooseCell(snapshot, row, fitness, view.inFlight, draw, -1)
  const isAllowed = chosen === home || mayFailOver(wish.route.failover, wish.method, wish.hasIdempotencyKey)
  return { kind: 'cell', index: isAllowed ? chosen : home, row, isNamed: false }
}

function namedCell({ snapshot }: RoutingView, wish: Wish, shard: readonly number[]): number | 'refused' {
  if (wish.wantedCell !== undefined) {
    const index = snapshot.indexOfCell(wish.wantedCell)
    return index >= 0 && shard.includes(index) ? index : 'refused'
  }
  if (wish.route.wantedSlot < 0) return -1
  const index = snapshot.indexOfSlot(wish.route.wantedSlot)
  return shard.includes(index) ? index : -1
}
