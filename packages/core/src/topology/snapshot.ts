/**
 * A snapshot: a base with its routing index, immutable. A consumer holds one reference to the current snapshot and
 * swaps it when a newer base was accepted; a request that is under way goes on with the one that it began with.
 */
import type { Parsed, TopologyBase } from '@cellplane/contract'
import { parsed } from '@cellplane/contract'
import { buildRoutingIndex, type RoutingIndex } from './routing-index.ts'

export type Snapshot = RoutingIndex & { readonly base: TopologyBase }

/** For a base that is trusted already (one's own); what comes from outside goes through `acceptBase`. */
export function buildSnapshot(base: TopologyBase): Parsed<Snapshot> {
  const index = buildRoutingIndex(base)
  return index.ok ? parsed({ ...index.value, base }) : index
}
