/**
 * What an overlay comes to at one consumer: its health marks as an array over the cells, its quarantines as a set.
 *
 * The marks are doubted twice. A monitor that calls most of the fleet unhealthy is presumed wrong: its marks are
 * ignored and traffic goes on as if it had said nothing (the overlay itself stays accepted, so that one bad overlay
 * does not wedge the next). And marks grow old: without news for the topology's TTL they are dropped, and a router
 * trusts what it sees itself.
 */
import type { TopologyOverlay } from '@cellplane/contract'
import type { Snapshot } from './snapshot.ts'

export type HealthMarks = {
  /** By cell index; 1 = marked unhealthy. */
  readonly out: Uint8Array
  /** True when there were marks that were not believed; `reason` says why. */
  readonly ignored: boolean
  readonly reason: string
}

/** Tenants that the overlay sends to the quarantine cell; none where there is none, or where their data would stay behind. */
export function quarantinedTenants(snapshot: Snapshot, overlay: TopologyOverlay | null): ReadonlySet<string> {
  const canQuarantine = snapshot.base.fleet_kind === 'stateless' && snapshot.quarantineRow >= 0
  if (!canQuarantine || !overlay) return new Set()
  return new Set(overlay.quarantined.flatMap((one) => (one.rate_share === undefined ? one.tenant : [])))
}

/** Tenants that stay where they are, and the share of their cap that they are given there. */
export function throttledTenants(overlay: TopologyOverlay | null): ReadonlyMap<string, number> {
  return new Map(
    overlay?.quarantined.flatMap(({ tenant, rate_share: share }) =>
      share === undefined ? [] : [[tenant, share] as const],
    ),
  )
}

/** `now` and `overlayReceivedAt` (of the last overlay, changed or not) are in ms since the epoch. */
export function unhealthyIndexes(
  snapshot: Snapshot,
  overlay: TopologyOverlay | null,
  now: number,
  overlayReceivedAt: number,
): HealthMarks {
  const none = new Uint8Array(snapshot.cells.length)
  if (!overlay || overlay.unhealthy.length === 0) return { out: none, ignored: false, reason: '' }

  const ttlMs = snapshot.base.topology_ttl_seconds * 1000
  if (now - overlayReceivedAt > ttlMs) {
    const ageSeconds = Math.round((now - overlayReceivedAt) / 1000)
    return {
      out: none,
      ignored: true,
      reason: `the last overlay came ${ageSeconds} s ago; marks count for ${ttlMs / 1000} s`,
    }
  }
  const out = none.slice()
  for (const { slot } of overlay.unhealthy) {
    const index = snapshot.indexOfSlot(slot)
    if (index >= 0) out[index] = 1
  }
  const serving = snapshot.cells.filter((cell) => cell.state === 'active' && cell.role === 'serving')
  const marked = serving.filter((cell) => out[cell.index] === 1).length
  const shareMax = snapshot.base.limits.unhealthy_share_max
  if (marked > shareMax * serving.length) {
    return {
      out: none,
      ignored: true,
      reason: `${marked} of ${serving.length} cells are marked unhealthy, more than a share of ${shareMax}; the monitor is presumed wrong`,
    }
  }
  return { out, ignored: false, reason: '' }
}
