/** What the overlay says of quarantines. Pure. */
import type { TopologyOverlay } from '@cellplane/contract'
import type { Quarantine } from '@cellplane/core'

export type QuarantineEntries = TopologyOverlay['quarantined']

/**
 * A tenth of its cap: enough to see whether the tenant is well again, and to serve what of it works; too little to crowd
 * anybody out or to keep its home restarting.
 */
export const THROTTLED_RATE_SHARE = 0.1

/** The overlay's own limit. */
const REASON_LENGTH_MAX = 256

/** As much of a base as says what quarantine is there. */
type Ground = { fleet_kind: 'stateless' | 'stateful'; quarantine: { cell: number | null } }

/** A stateful tenant's data stays behind when its requests go elsewhere, and without a quarantine cell there is no elsewhere. */
export const canDivert = ({ fleet_kind: kind, quarantine }: Ground): boolean =>
  kind === 'stateless' && quarantine.cell !== null

/** Sorted, so that the same quarantines always give the same entries. */
export function overlayEntries(quarantines: readonly Quarantine[], ground: Ground): QuarantineEntries {
  const mode = canDivert(ground) ? {} : { rate_share: THROTTLED_RATE_SHARE }
  return quarantines
    .filter(({ releasedAt }) => releasedAt === null)
    .sort((a, b) => (a.tenant < b.tenant ? -1 : 1))
    .map(({ tenant, since, reason }) => ({
      tenant,
      since: new Date(since).toISOString(),
      reason: reason.slice(0, REASON_LENGTH_MAX),
      ...mode,
    }))
}

/** Whether routers have to hear of it. */
export function isSameEntries(a: QuarantineEntries, b: QuarantineEntries): boolean {
  return (
    a.length === b.length &&
    a.every((one, i) => one.tenant === b[i]!.tenant && one.rate_share === b[i]!.rate_share)
  )
}
