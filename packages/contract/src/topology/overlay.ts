/** The topology's overlay: health marks and quarantines. Small, signed, pushed to all at once; it refines the base that it names. */
import { z } from 'zod'
import { fleetNameSchema, slotSchema, tenantIdSchema } from '../identifiers.ts'
import { type Parsed, parseWith } from '../problem.ts'
import { parseFormat, signatureSchema, TOPOLOGY_FORMAT, versionSchema } from './base.ts'

export const topologyOverlaySchema = z.strictObject({
  format: z.literal(TOPOLOGY_FORMAT),
  kind: z.literal('overlay'),
  fleet: fleetNameSchema,
  epoch: versionSchema,
  version: versionSchema.describe('Counts overlays, apart from base versions.'),
  base_version: versionSchema,
  issued_at: z.iso.datetime(),
  unhealthy: z
    .array(z.strictObject({ slot: slotSchema, since: z.iso.datetime(), reason: z.string().max(256) }))
    .max(10_000),
  quarantined: z
    .array(z.strictObject({ tenant: tenantIdSchema, since: z.iso.datetime(), reason: z.string().max(256) }))
    .max(100_000),
  signature: signatureSchema,
})
export type TopologyOverlay = z.infer<typeof topologyOverlaySchema>
export type UnsignedTopologyOverlay = Omit<TopologyOverlay, 'signature'>

export function parseTopologyOverlay(input: unknown): Parsed<TopologyOverlay> {
  return parseFormat(input) ?? parseWith(topologyOverlaySchema, input)
}
