/** Slots: the cells' stable numbers. */
import { SLOT_NONE } from '@cellplane/contract'

/**
 * The slot of the next cell: one above the highest ever used. Gaps are left alone, for a gap is a cell that was
 * retired, and ids that it handed out still name it. `used` includes retired cells.
 *
 * @throws RangeError when all 65,535 slots were used; no fleet gets there one cell at a time
 */
export function nextFreeSlot(used: Iterable<number>): number {
  let next = 0
  for (const slot of used) next = Math.max(next, slot + 1)
  if (next >= SLOT_NONE) throw new RangeError(`all ${SLOT_NONE} slots have been used`)
  return next
}
