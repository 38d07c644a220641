/**
 * Tenant → cells that it had by name and has no more: by a pin since taken off, say. Its table never had them, so no former
 * table leads to what it left there.
 *
 * Few requests ask (those whose id names a cell that is not in the tenant's shard), and few tenants are in it. It is packed all
 * the same, as overrides are: a base is read in one process and handed over to another as numbers.
 */
import { type Problem, problem, type UnsignedTopologyBase } from '@cellplane/contract'
import { hashKeySigned } from '../hash/bucket.ts'
import { buildOverrideIndex, findOverride, type OverrideIndex } from './override-index.ts'

export type FormerOverrideIndex = {
  /** Tenant → position. */
  readonly tenants: OverrideIndex
  /** Where each position's cells start in `members`; one more closes the last. */
  readonly starts: Uint32Array
  /** Cell indexes, newest first; INDEX_NONE for a cell that is gone. */
  readonly members: Uint16Array
}

/** `indexBySlot` says INDEX_NONE for a slot that no cell has. */
export function packFormerOverrides(
  { former_overrides: former = [], hash }: UnsignedTopologyBase,
  indexBySlot: Uint16Array,
  problems: Problem[],
): FormerOverrideIndex {
  const starts = new Uint32Array(former.length + 1)
  for (const [i, { cells }] of former.entries()) starts[i + 1] = starts[i]! + cells.length
  const repeated: number[] = []
  const tenants = buildOverrideIndex(
    former.map(({ tenant }) => tenant),
    (tenant) => hashKeySigned(tenant, hash.seed),
    repeated,
  )
  for (const i of repeated) {
    const why = 'its tenant has another former override as well; each has one at most'
    problems.push(problem('TOPOLOGY_OVERRIDE_MISFIT', `former_overrides[${i}]`, `cannot be used: ${why}`))
  }
  return {
    tenants,
    starts,
    members: Uint16Array.from(former.flatMap(({ cells }) => cells.map((slot) => indexBySlot[slot]!))),
  }
}

/** Cell indexes, newest first; INDEX_NONE for a cell that is gone. `hash` is the tenant's, signed. */
export function formerOverrideOf(
  { tenants, starts, members }: FormerOverrideIndex,
  tenant: string,
  hash: number,
): Uint16Array {
  const position = findOverride(tenants, tenant, hash)
  return position < 0 ? members.subarray(0, 0) : members.subarray(starts[position]!, starts[position + 1]!)
}
