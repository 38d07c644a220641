/**
 * Whether a new base has to go to one router first. It does when it says something that holds for every tenant: where the
 * table places them, which cells there are, by which rules they are routed.
 *
 * What differs in overrides alone hits the tenants that it names, and the budget bounds how many; a tenant that is
 * registered should not wait for a watch. Former tables and overrides that expire take nothing from anybody. Another signing key is
 * for all: who does not trust it gets nothing any more.
 */
import { canonicalJson, type TopologyBase } from '@cellplane/contract'

const OF_NOBODY_OR_NAMED = new Set([
  'epoch',
  'version',
  'issued_at',
  'signature',
  'forced',
  'overrides',
  'former_tables',
  'former_overrides',
])

export function needsWave(before: TopologyBase, after: TopologyBase): boolean {
  return forAll(before) !== forAll(after)
}

function forAll(base: TopologyBase): string {
  const content = Object.entries(base).filter(([field]) => !OF_NOBODY_OR_NAMED.has(field))
  return canonicalJson({ ...Object.fromEntries(content), key: base.signature.key_id })
}
