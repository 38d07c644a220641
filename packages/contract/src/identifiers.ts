/** The names of things: what a cell, fleet, zone, host, component or tenant may be called, and ids that name their cell. */
import { z } from 'zod'

/** A DNS label, so that a cell id can be a host name. */
const LABEL = /^[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$/

const label = (what: string) =>
  z.string().regex(LABEL, `a ${what} is 1–63 of a–z, 0–9 and "-", and starts and ends with a letter or digit`)

export const cellIdSchema = label('cell id')
export const fleetNameSchema = label('fleet name')
export const zoneSchema = label('zone')
export const hostIdSchema = label('host id')
export const componentNameSchema = label('component name')

/** Slots are 16 bit, as in the topology's table; the last one is kept to mean "none". */
export const SLOT_NONE = 0xffff
export const slotSchema = z
  .int()
  .min(0)
  .max(SLOT_NONE - 1)

/** The longest partition key, in UTF-8 bytes. Long enough for a UUID, an e-mail address or a URN; short enough to be a metric's exemplar. */
export const PARTITION_KEY_BYTES_MAX = 256

/** No control characters: a partition key travels in a header and in logs. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: refusing them is the point
const CONTROL = /[\u0000-\u001f\u007f]/

/** Why `key` cannot be a partition key, or undefined when it can. The key itself is not repeated: it may be 10 KB. */
export function partitionKeyProblem(key: string): string | undefined {
  if (key === '') return 'the partition key is empty; expected 1–256 bytes'
  if (key.length > PARTITION_KEY_BYTES_MAX || utf8Length(key) > PARTITION_KEY_BYTES_MAX) {
    return `the partition key is longer than ${PARTITION_KEY_BYTES_MAX} bytes`
  }
  if (CONTROL.test(key)) return 'the partition key has a control character'
  if (key.trim() !== key) return 'the partition key starts or ends with white space'
  return undefined
}

export const tenantIdSchema = z.string().superRefine((key, ctx) => {
  const why = partitionKeyProblem(key)
  if (why) ctx.addIssue({ code: 'custom', message: why, params: { code: 'PARTITION_KEY_INVALID' } })
})

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

function utf8Length(text: string): number {
  return new TextEncoder().encode(text).byteLength
}
