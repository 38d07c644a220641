/**
 * The tenants that an overlay holds while their home is switched, as one consumer is to take it. A hold means one thing:
 * new requests of the tenant wait until its home was switched, or the hold's time has come.
 *
 * That the home was switched shows in either document, whichever is first: an overlay without the tenant, or a base in
 * which its generation is higher than when the hold was first seen. So what was first seen is carried from one overlay to
 * the next.
 *
 * A hold stops a tenant's traffic, so it is doubted twice, like a health mark. An overlay that holds a large part of all
 * tenants with an assigned home is presumed wrong, and its holds are ignored as a whole. And no hold lasts longer than a
 * switch may take, whatever time it names: afterwards requests go where the base says, where the generation fences them.
 */
import type { TopologyOverlay } from '@cellplane/contract'
import { rowGeneration, shardRow } from '../routing/rows.ts'
import type { Snapshot } from './snapshot.ts'

export type HeldTenants = {
  /** Until when, ms since the epoch. Those whose home was switched are not there any more. */
  readonly until: ReadonlyMap<string, number>
  /** Whom the overlay names, as it was when it first did. */
  readonly seen: ReadonlyMap<string, FirstSeen>
  /** Why the overlay's holds are not followed; empty when they are, or there are none. */
  readonly ignoredBecause: string
}

type FirstSeen = { readonly generation: number; readonly at: number }

/** From when it was first seen: a switch takes seconds, and a control plane that dies in the middle is no reason to wait. */
export const HOLD_MS_MAX = 30_000

/** So many may be held in a fleet of any size: a cell's tenants leave it in small groups. */
export const HELD_ALWAYS_MAX = 16

export const NOBODY_HELD: HeldTenants = { until: new Map(), seen: new Map(), ignoredBecause: '' }

/** `previous` is what this gave for the overlay and base before; `now` is in ms since the epoch. */
export function heldTenants(
  snapshot: Snapshot,
  overlay: TopologyOverlay | null,
  previous: HeldTenants,
  now: number,
): HeldTenants {
  const held = overlay?.held ?? []
  if (held.length === 0) return NOBODY_HELD
  const assigned = snapshot.overrideGenerations.length
  const share = snapshot.base.limits.unhealthy_share_max
  if (held.length > HELD_ALWAYS_MAX && held.length > share * assigned) {
    const ignoredBecause =
      `${held.length} tenants are held, of ${assigned} whose home is assigned; ` +
      `more than ${HELD_ALWAYS_MAX} and a share of ${share} is presumed wrong`
    return { ...NOBODY_HELD, ignoredBecause }
  }
  const seen = new Map<string, FirstSeen>()
  const until = new Map<string, number>()
  for (const one of held) {
    const generation = rowGeneration(snapshot, shardRow(snapshot, one.tenant))
    const first = previous.seen.get(one.tenant) ?? { generation, at: now }
    seen.set(one.tenant, first)
    if (generation <= first.generation) {
      until.set(one.tenant, Math.min(Date.parse(one.until), first.at + HOLD_MS_MAX))
    }
  }
  return { until, seen, ignoredBecause: '' }
}
