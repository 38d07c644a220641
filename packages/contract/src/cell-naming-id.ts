/** Ids that name the cell that gave them out, by its slot. */

/** Slots are 16 bit, as in the topology's table; the last one is kept to mean "none". */
export const SLOT_NONE = 0xffff

/** Ids that a cell hands out name the cell by its slot: `ntf_3_01jd…` is kind, slot in base 36, random part. Slots are never reused, so such an id never names another cell. */
const CELL_NAMING_ID = /^[a-z][a-z0-9]{0,15}_([0-9a-z]{1,4})_[0-9A-Za-z-]{1,64}$/

export function formatCellNamingId(kind: string, slot: number, random: string): string {
  return `${kind}_${slot.toString(36)}_${random}`
}

/** The slot that an id names, or undefined when it names none. */
export function slotOfId(id: string): number | undefined {
  const match = CELL_NAMING_ID.exec(id)
  if (!match?.[1]) return undefined
  const slot = Number.parseInt(match[1], 36)
  return slot < SLOT_NONE ? slot : undefined
}
