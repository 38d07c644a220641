/** The topology's overlay: health marks, quarantines and holds. Small, signed, pushed to all at once; it refines the base that it names. */
import * as v from 'valibot'
import { fleetNameSchema, slotSchema, tenantIdSchema } from '../identifiers.ts'
import type { Parsed } from '../problem.ts'
import { about, between, dateTime, list, parseWith, strictObject, text } from '../schema/index.ts'
import { parseFormat, signatureSchema, TOPOLOGY_FORMAT, versionSchema } from './base.ts'

export const QUARANTINED_MAX = 100_000
/** Homes are switched one at a time, or a cell's tenants in small groups. */
export const HELD_MAX = 1_000

export const topologyOverlaySchema = strictObject({
  format: v.literal(TOPOLOGY_FORMAT),
  kind: v.literal('overlay'),
  fleet: fleetNameSchema,
  epoch: versionSchema,
  version: about(versionSchema, 'Counts overlays, apart from base versions.'),
  base_version: versionSchema,
  issued_at: dateTime,
  unhealthy: list(strictObject({ slot: slotSchema, since: dateTime, reason: text(0, 256) }), 0, 10_000),
  quarantined: list(
    strictObject({
      tenant: tenantIdSchema,
      since: dateTime,
      reason: text(0, 256),
      rate_share: v.optional(
        about(
          v.pipe(between(0, 1), v.gtValue(0)),
          'The tenant stays at home and is throttled: this share of its cap is let through. Left out: its requests go to the quarantine cell.',
        ),
      ),
    }),
    0,
    QUARANTINED_MAX,
  ),
  held: v.optional(
    about(
      list(strictObject({ tenant: tenantIdSchema, until: dateTime }), 0, HELD_MAX),
      'Tenants whose home is being switched: new requests of theirs wait in the routers until it was, or until then. Nobody when left out.',
    ),
  ),
  signature: signatureSchema,
})
export type TopologyOverlay = v.InferOutput<typeof topologyOverlaySchema>
export type UnsignedTopologyOverlay = Omit<TopologyOverlay, 'signature'>

export function parseTopologyOverlay(input: unknown): Parsed<TopologyOverlay> {
  return parseFormat(input) ?? parseWith(topologyOverlaySchema, input)
}
