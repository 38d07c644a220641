/**
 * Who is asking: the tenant by its partition key, or a refusal.
 *
 * A request without any key is served all the same, by the shard that its source address hashes to: the router fails
 * open, and whether such a request may do anything is the service's own decision. A key that is there but broken, and
 * a token that does not verify, never fail open.
 */
import { findPartitionKey, keyByRule, type RequestView } from '@cellplane/core/data-plane'
import type { RoutingView } from '../decision/routing-view.ts'
import type { Tenant } from '../decision/tenants.ts'
import type { ServeDeps } from './deps.ts'
import type { Refusal } from './refusal.ts'

export type Identified = Tenant | Refusal

/** A promise only for a token that was not seen before. `request` is used at once; `source` is the client's address. */
export function identify(
  { tenants, traffic, verifier }: ServeDeps,
  view: RoutingView,
  request: RequestView,
  source: string,
): Identified | Promise<Identified> {
  const { base } = view.snapshot
  const found = findPartitionKey(base.partition_key, request)
  switch (found.kind) {
    case 'key':
      return tenants.of(found.key)
    case 'none':
      traffic.countFailOpen()
      return tenants.ofSource(source)
    case 'invalid':
      return { code: 'PARTITION_KEY_INVALID', detail: found.why }
    case 'misdirected':
      return { code: 'CONNECTION_MISDIRECTED', detail: found.why }
    case 'token': {
      const rule = base.partition_key[found.rule]!
      const known = verifier.remembered(found.token, found.claim, base.tokens)
      if (known !== undefined) return tenants.of(keyByRule(rule, known))
      return verifier
        .verify(found.token, found.claim, base.tokens)
        .then((verdict) => (verdict.ok ? tenants.of(keyByRule(rule, verdict.tenant)) : verdict))
    }
  }
}
