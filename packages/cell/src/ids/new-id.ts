/** Ids that name the cell that gave them out, so that a router sends whoever asks for one to where the record is. */
import { randomBytes } from 'node:crypto'
import { formatCellNamingId } from '@cellplane/contract/cell'

/** 80 bits: two of a million ids made in one millisecond collide with a chance of 10⁻¹². */
const RANDOM_BYTES = 10
/** 48 bits of milliseconds last for 8,900 years. */
const TIME_DIGITS = 12

/** `kind_slot_time+random`. Ids of one cell sort by their time, so that a list can be paged by id. `now` is in ms. */
export function newId(kind: string, slot: number, now: number): string {
  const time = now.toString(16).padStart(TIME_DIGITS, '0')
  return formatCellNamingId(kind, slot, time + randomBytes(RANDOM_BYTES).toString('hex'))
}
