/** The names of things: what a cell, fleet, zone, host, component or tenant may be called, and ids that name their cell. */
import * as v from 'valibot'
import { SLOT_NONE } from './cell-naming-id.ts'
import { partitionKeyProblem } from './partition-key.ts'
import { int, rule } from './schema/index.ts'

export * from './cell-naming-id.ts'
export * from './partition-key.ts'

/** A DNS label, so that a cell id can be a host name. */
const LABEL = /^[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$/

const label = (what: string) =>
  v.pipe(
    v.string(),
    v.regex(LABEL, `a ${what} is 1–63 of a–z, 0–9 and "-", and starts and ends with a letter or digit`),
  )

export const cellIdSchema = label('cell id')
export const fleetNameSchema = label('fleet name')
export const zoneSchema = label('zone')
export const hostIdSchema = label('host id')
export const componentNameSchema = label('component name')

export const slotSchema = int(0, SLOT_NONE - 1)

export const tenantIdSchema = v.pipe(v.string(), rule('PARTITION_KEY_INVALID', partitionKeyProblem))
