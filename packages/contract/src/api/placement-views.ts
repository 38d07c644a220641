/** Placement under change, as the API shows it: what is asked for, the plan that comes of it, and what became of it. */
import * as v from 'valibot'
import { cellIdSchema } from '../identifiers.ts'
import {
  about,
  between,
  count,
  finite,
  list,
  object,
  positive,
  positiveInt,
  strictObject,
} from '../schema/index.ts'
import { versionSchema } from '../topology/base.ts'

const share = between(0, 1)

/** As `capacitySchema`; null takes a ceiling off. */
export const cellCeilingsSchema = strictObject({
  requests_per_second: v.optional(v.nullable(positive)),
  in_flight: v.optional(v.nullable(positiveInt)),
  queue_depth: v.optional(v.nullable(positiveInt)),
  tenants: v.optional(v.nullable(positiveInt)),
})

export const zoneChangeSchema = v.pipe(
  object({
    zone: v.string(),
    cells: about(list(v.string()), 'That left the shards, or came back.'),
    capacity: about(v.string(), 'In words: what the active cells carry, and what they are asked.'),
  }),
  v.metadata({ id: 'ZoneChange' }),
)
export type ZoneChangeView = v.InferOutput<typeof zoneChangeSchema>

/** `split`: half of what the cell carries goes to `into`, which has no places yet. `merge`: all of it does, and the cell drains. */
export const placementWishSchema = v.variant('kind', [
  strictObject({ kind: v.literal('rebalance') }),
  strictObject({ kind: v.literal('split'), cell: cellIdSchema, into: cellIdSchema }),
  strictObject({ kind: v.literal('merge'), cell: cellIdSchema, into: cellIdSchema }),
])
export type PlacementWish = v.InferOutput<typeof placementWishSchema>

/** How many tenants a plan names. */
export const PLAN_TENANTS_MAX = 20

const radius = object({ worst_cell_touched: share, worst_cell_lost: share, worst_pair_lost: share })

const plannedCell = object({
  id: v.string(),
  weight_before: finite,
  weight_after: finite,
  places_before: count,
  places_after: count,
  load_before: about(v.nullable(share), 'Share of the requests that were observed; null where none were.'),
  load_after: v.nullable(share),
  part: about(
    v.nullable(share),
    'The share that the cell is meant for, by the weight that was declared or set.',
  ),
  drains: v.boolean(),
})
export type PlannedCell = v.InferOutput<typeof plannedCell>

export const placementPlanSchema = v.pipe(
  object({
    plan: about(v.nullable(v.string()), 'To apply it by; null when there is nothing to do.'),
    kind: v.picklist(['rebalance', 'split', 'merge']),
    base_version: about(versionSchema, 'What it was made from.'),
    moved: object({ places: count, of_places: count, homes: count, of_homes: count }),
    load_hours: about(
      positiveInt,
      'Requests that were observed are those of so many hours; the older, the less they count.',
    ),
    traffic_share: about(
      v.nullable(share),
      'Of the requests that were observed: those of tenants that get another cell.',
    ),
    tenants: about(
      object({ count, named: list(v.string(), 0, PLAN_TENANTS_MAX) }),
      'Registered tenants that get another cell; by name those with most requests.',
    ),
    would_migrate: about(
      list(object({ tenant: v.string(), from: v.string(), to: v.string() }), 0, PLAN_TENANTS_MAX),
      'Stateful fleets: tenants whose migration would even out the load. The plan leaves them where they are.',
    ),
    cells: list(plannedCell),
    blast_radius: object({ before: radius, after: radius }),
    notes: list(v.string()),
    exceeded: about(list(v.string()), 'What the blast-radius budget has against it, in words.'),
  }),
  v.metadata({ id: 'PlacementPlan' }),
)
export type PlacementPlan = v.InferOutput<typeof placementPlanSchema>

export const appliedPlacementSchema = v.pipe(
  object({ plan: v.string(), epoch: versionSchema, version: versionSchema, what: v.string() }),
  v.metadata({ id: 'AppliedPlacement' }),
)
export type AppliedPlacement = v.InferOutput<typeof appliedPlacementSchema>
