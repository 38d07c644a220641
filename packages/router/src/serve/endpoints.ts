/** A tenant's own endpoints, for customers and browsers that go to their cells directly. Nobody is told another tenant's. */
import type { ServerResponse } from 'node:http'
import { HEADERS, type TenantEndpoints } from '@cellplane/contract'
import { rowGeneration, shardOf } from '@cellplane/core'
import { type RoutingView, rowOf } from '../decision/routing-view.ts'
import type { Caller } from './caller.ts'
import type { Refusal } from './refusal.ts'
import type { RequestHead } from './request-head.ts'

/** Answers, or says why not. */
export function answerEndpoints(
  view: RoutingView,
  caller: Caller,
  head: RequestHead,
  response: ServerResponse,
): Refusal | undefined {
  if (head.method !== 'GET' && head.method !== 'HEAD') {
    return { code: 'METHOD_NOT_ALLOWED', detail: `found ${head.method}; expected GET` }
  }
  if (!caller.isTenant) {
    return { code: 'TOKEN_MISSING', detail: 'endpoints are a tenant’s own; send the partition key or token' }
  }
  const { snapshot } = view
  const row = rowOf(view, caller.key)
  const answer: TenantEndpoints = {
    tenant: caller.key,
    generation: rowGeneration(snapshot, row),
    endpoints: shardOf(snapshot, row).map((index) => {
      const { id, url } = snapshot.cells[index]!
      return { cell: id, url }
    }),
    ttl_seconds: snapshot.base.topology_ttl_seconds,
  }
  response.writeHead(200, {
    'content-type': 'application/json',
    'cache-control': `private, max-age=${answer.ttl_seconds}`,
    [HEADERS.requestId]: head.requestId,
  })
  response.end(JSON.stringify(answer))
  return undefined
}
