/**
 * The redirect: 307 with the cell's own URL, for routes that are delivered so. The caller learns one cell of its own
 * tenant, and nothing of the topology. It is told not to keep the answer: a redirect that a browser remembers would
 * outlive a failover, and be used for the next tenant that signs in there.
 *
 * 307, because no other status keeps the method and the body (RFC 9110, section 15.4.8).
 */
import { HEADERS } from '@cellplane/contract'
import { type CellTarget, redirectUrl, type Wish } from '@cellplane/core/data-plane'
import type { Tenant, TenantShard } from '../decision/tenants.ts'
import type { RequestHead } from '../http/request-head.ts'
import type { OwnAnswer } from './answer.ts'
import { statusLine } from './refusal.ts'
import type { RequestIdentity } from './request-identity.ts'

/** Null when the request is proxied. A WebSocket is: no client follows a redirect of its handshake. */
export function formatRedirect(
  { view }: TenantShard,
  { isTenant }: Tenant,
  wish: Wish,
  { index }: CellTarget,
  { target, isWebSocket }: RequestHead,
  { requestId }: RequestIdentity,
): OwnAnswer | null {
  const url = isWebSocket ? undefined : redirectUrl(view, wish, index, target, isTenant)
  if (url === undefined) return null
  const cell = view.cells[index]!.id
  const head =
    `${statusLine(307)}location: ${url}\r\ncontent-length: 0\r\ncache-control: no-store\r\n` +
    `${HEADERS.cell}: ${cell}\r\n${HEADERS.requestId}: ${requestId}\r\n`
  return { status: 307, head, body: '' }
}
