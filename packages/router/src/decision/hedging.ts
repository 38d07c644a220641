/**
 * Whether a slow request is sent a second time while the first attempt goes on, and where: a hedge. A cell that is slow
 * for a moment (a pause of its garbage collector, a full disk queue) then costs its readers `hedge_after_ms` and not the
 * moment's length (Dean and Barroso, "The tail at scale", 2013).
 *
 * It is for reads without a body that another cell of the shard may answer, that ask for no cell by its name, and whose
 * client does not say that it can wait. It is
 * load that nobody asked for, so everything else goes before it: the cell that would get it must have room, and the
 * budgets of second attempts must let it through. When everything is slow, they let a fifth of the requests through,
 * and the others wait as they would without. A tenant that was under way at a crash is not hedged: what crashed one cell
 * would be handed to the next.
 */
import {
  type CellTarget,
  chooseCell,
  FITNESS_OUT,
  type MatchedRoute,
  mayFailOver,
} from '@cellplane/core/data-plane'
import type { RequestHead } from '../http/request-head.ts'
import { hasRoomAtCell } from './admission.ts'
import type { TenantShard } from './tenants.ts'

export function mayHedge(
  { failover }: MatchedRoute,
  { method, bodyLength, isWebSocket, isBackground, hasIdempotencyKey }: RequestHead,
  { isNamed }: CellTarget,
): boolean {
  const isRead = (method === 'GET' || method === 'HEAD') && bodyLength === 0 && !isWebSocket
  return isRead && !isNamed && !isBackground && mayFailOver(failover, method, hasIdempotencyKey)
}

/** Null when no other cell of the shard is well and has room. `draw` as in `chooseCell`; `now` in ms. */
export function pickHedgeTarget(
  { view }: TenantShard,
  first: CellTarget,
  { ceilingShare }: MatchedRoute,
  draw: number,
  now: number,
): CellTarget | null {
  const index = chooseCell(view.snapshot, first.row, view.fitness, view.inFlight, draw, first.index)
  if (index < 0 || view.fitness[index] === FITNESS_OUT) return null
  return hasRoomAtCell(view.cells[index]!, ceilingShare, now) ? { ...first, index } : null
}
