/**
 * Whether an overlay's marks fit the base that it refines: each must name a slot that the base has.
 *
 * The two documents travel apart, so at one consumer an overlay meets three bases. It is judged by one of them only:
 *
 *     the base that it names   whoever published it saw that base: a slot that is not there is a mistake of theirs
 *     an older one             in a wave, or while a base is under way: the slot may come with the next base
 *     a newer one              a cell was retired since, or its base was taken back
 *
 * To refuse in the last two cases would leave routers without health marks for as long as a wave takes. There a mark for an
 * unknown slot has no effect (`unhealthyIndexes`), and that is all. Whether it fits is asked again when the consumer takes the
 * base that the overlay names (`refit`). One that does not is not dropped then: the overlay before it is gone, and quarantines and
 * holds are about tenants, whom no base refutes.
 */
import { type Problem, problem, type TopologyOverlay } from '@cellplane/contract'
import type { Snapshot } from './snapshot.ts'

/** A large fleet's worth of slots is no message; these are enough to look at. */
const SLOTS_TOLD_MAX = 8

export type FittedBase = Pick<Snapshot, 'indexOfSlot'> & {
  readonly base: Pick<Snapshot['base'], 'epoch' | 'version'>
}

/** TOPOLOGY_OVERLAY_MISFIT, or nothing: it fits, or it refines another base. */
export function overlayMisfits(overlay: TopologyOverlay, { base, indexOfSlot }: FittedBase): Problem[] {
  if (overlay.epoch !== base.epoch || overlay.base_version !== base.version) return []
  const unknown = overlay.unhealthy.map(({ slot }) => slot).filter((slot) => indexOfSlot(slot) < 0)
  if (unknown.length === 0) return []
  const told = unknown.slice(0, SLOTS_TOLD_MAX).join(', ') + (unknown.length > SLOTS_TOLD_MAX ? ', …' : '')
  const message =
    `marks slots that no cell has: ${told}; expected slots of base (epoch ${base.epoch}, version ${base.version}), which it ` +
    'names; publish an overlay that was planned for that base'
  return [problem('TOPOLOGY_OVERLAY_MISFIT', 'unhealthy', message)]
}

/**
 * The overlay that was held when another base came, as it is followed from then on. If that base is the one that it names, and
 * refutes one of its marks, then whoever marked had other cells in mind: none of its marks is followed any more, those for slots
 * that exist included. All else of it stays in force.
 */
export function refit<Held extends TopologyOverlay | null>(
  overlay: Held,
  base: FittedBase,
): { overlay: Held; misfits: Problem[] } {
  const misfits = overlay ? overlayMisfits(overlay, base) : []
  if (!overlay || misfits.length === 0) return { overlay, misfits }
  const dropped = `${overlay.unhealthy.length} marks of overlay ${overlay.version} are no longer followed`
  return {
    overlay: { ...overlay, unhealthy: [] },
    misfits: misfits.map((one) => ({ ...one, message: `${one.message}; ${dropped}` })),
  }
}
