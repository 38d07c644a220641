/** A tenant's own endpoints, for customers and browsers that go to their cells directly. Nobody is told another tenant's. */
import { HEADERS, type TenantEndpoints } from '@cellplane/contract'
import { shardOf } from '@cellplane/core/data-plane'
import type { RoutingView } from '../decision/routing-view.ts'
import { shardIn, type Tenant } from '../decision/tenants.ts'
import { encodeText } from '../http/request-head.ts'
import { type Refusal, statusLine } from './refusal.ts'

/** The answer as Latin-1 text, its head without its last line; or why there is none. */
export function formatEndpoints(
  view: RoutingView,
  tenant: Tenant,
  method: string,
  requestId: string,
): { status: number; head: string; body: string } | Refusal {
  if (method !== 'GET' && method !== 'HEAD') {
    return { code: 'METHOD_NOT_ALLOWED', detail: `found ${method}; expected GET` }
  }
  if (!tenant.isTenant) {
    return { code: 'TOKEN_MISSING', detail: 'endpoints are a tenant’s own; send the partition key or token' }
  }
  const { snapshot } = view
  const { row, generation } = shardIn(view, tenant)
  const answer: TenantEndpoints = {
    tenant: tenant.key,
    generation,
    endpoints: shardOf(snapshot, row).map((index) => {
      const { id, publicUrl } = snapshot.cells[index]!
      return { cell: id, url: publicUrl }
    }),
    ttl_seconds: snapshot.base.topology_ttl_seconds,
  }
  const body = encodeText(JSON.stringify(answer))
  const head =
    `${statusLine(200)}content-type: application/json\r\ncontent-length: ${body.length}\r\n` +
    `cache-control: private, max-age=${answer.ttl_seconds}\r\n${HEADERS.requestId}: ${requestId}\r\n`
  return { status: 200, head, body }
}
