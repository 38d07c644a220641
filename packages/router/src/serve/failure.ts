/** What a failed attempt means for the caller: a problem that says whether the request may have been processed. */
import { HEADERS, type ProblemCode } from '@cellplane/contract'
import type { MatchedRoute } from '@cellplane/core/data-plane'
import type { Cell } from '../cells/cell.ts'
import type { CellFailure } from './cell-connection.ts'
import type { Refusal } from './refusal.ts'

/** `full`: the cell has as many requests as it is given. `client-slow`: the request's body stopped coming. */
export type FailureReason = CellFailure | 'full' | 'client-slow'

export function explainFailure(
  why: FailureReason,
  sent: 'nothing' | 'something',
  cell: Cell,
  isNamed: boolean,
  route: MatchedRoute,
): Refusal {
  const refusal = (code: ProblemCode, detail: string): Refusal => ({ code, detail, cell: cell.id })
  if (why === 'client-slow') {
    return { code: 'REQUEST_TIMEOUT', detail: 'the request body stopped coming before its end' }
  }
  if (why === 'local') {
    const detail = 'this router has no file, port or memory left for a connection to a cell; nothing was sent'
    return { code: 'ROUTER_EXHAUSTED', detail }
  }
  if (why === 'full')
    return refusal('OVERLOADED', `cell ${cell.id} has as many requests under way as it is given`)
  if (isNamed || (sent === 'nothing' && route.failover === 'home-only')) return unavailable(cell)
  const repeat = `it may have processed the request; repeat it with the same ${HEADERS.idempotencyKey}, or look before you repeat it`
  switch (why) {
    case 'timeout':
      return refusal('UPSTREAM_TIMEOUT', `cell ${cell.id} did not answer in time; ${repeat}`)
    case 'invalid':
      return refusal('UPSTREAM_INVALID', `cell ${cell.id} answered something that is not HTTP; ${repeat}`)
    case 'broken':
      return refusal(
        'UPSTREAM_INVALID',
        `cell ${cell.id} closed the connection before it answered; ${repeat}`,
      )
    case 'connect':
      return refusal('SHARD_UNAVAILABLE', 'no cell of this tenant’s shard could be reached')
  }
}

export const BEYOND_SHARE: Refusal = {
  code: 'TOO_MANY_REQUESTS',
  detail: 'this is beyond the tenant’s share of a cell',
}

export const unavailable = (cell: Cell): Refusal => ({
  code: 'CELL_UNAVAILABLE',
  detail: `what this asks for is in cell ${cell.id}, which is not available at the moment; it is not lost`,
  cell: cell.id,
})
