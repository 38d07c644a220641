/**
 * What goes first when a cell is under pressure: each priority has a share of the cell's ceilings, and the lower is at the
 * end of its share while the higher still finds room. Nothing is held back for it while there is room for all.
 *
 * A fleet that names no priority loses nothing: the last tenth is only kept for `high` where a route has it.
 */
import type { Priority } from '@cellplane/contract'

/** A quarter that low never takes is what normal requests find free at once when their load doubles in an instant. */
export const LOW_SHARE = 0.75
const NORMAL_SHARE_BESIDE_HIGH = 0.9

/** The share of a cell's ceilings that a request of the priority may fill. */
export function shareOfPriority(priority: Priority, isHighInUse: boolean): number {
  if (priority === 'low') return LOW_SHARE
  return priority === 'normal' && isHighInUse ? NORMAL_SHARE_BESIDE_HIGH : 1
}

/** A client may say that its request can wait; it cannot say that others have to. */
export function loweredShare(share: number): number {
  return Math.min(share, LOW_SHARE)
}
