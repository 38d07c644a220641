/**
 * Who is asking: the partition key, or a refusal.
 *
 * A request without any key is served all the same, by the shard that its source address hashes to: the router fails
 * open, and whether such a request may do anything is the service's own decision. A key that is there but broken, and
 * a token that does not verify, never fail open.
 */
import { findPartitionKey, sourceKey } from '@cellplane/core'
import type { RoutingView } from '../decision/routing-view.ts'
import type { TokenVerifier } from '../tokens/token-verifier.ts'
import type { Refusal } from './refusal.ts'
import type { RequestHead } from './request-head.ts'

/** `isTenant` is false for a source address: cells are not told a tenant then. */
export type Caller = { key: string; isTenant: boolean }

/** Waits only for a token that was not seen before. */
export async function identify(
  head: RequestHead,
  view: RoutingView,
  verifier: TokenVerifier,
): Promise<Caller | Refusal> {
  const { base } = view.snapshot
  const found = findPartitionKey(base.partition_key, head)
  switch (found.kind) {
    case 'key':
      return { key: found.key, isTenant: true }
    case 'none':
      return { key: sourceKey(head.source), isTenant: false }
    case 'invalid':
      return { code: 'PARTITION_KEY_INVALID', detail: found.why }
    case 'token': {
      const verdict = await verifier.verify(found.token, found.claim, base.tokens)
      return verdict.ok ? { key: verdict.tenant, isTenant: true } : verdict
    }
  }
}
