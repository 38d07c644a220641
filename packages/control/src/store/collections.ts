/** The collections of the store: what is remembered, under which key. */
import {
  capacitySchema,
  cellSchema,
  hostOrderSchema,
  overrideSchema,
  versionSchema,
  weightSchema,
} from '@cellplane/contract'
import { auditEntrySchema, versionSummarySchema } from '@cellplane/contract/api'
import { atLeast, finite, int, list, strictObject } from '@cellplane/contract/schema'
import * as v from 'valibot'
import type { Collection } from './store.ts'

const collection = <T>(table: string, schema: v.GenericSchema<unknown, T>): Collection<T> => ({
  table,
  schema,
})
const documentVersion = strictObject({ epoch: versionSchema, version: versionSchema })

/** One row, key `fleet`. The epoch begins as 1 and stays, restarts included; it rises when the store turns out to be an older copy. */
export const SETTINGS_KEY = 'fleet'
export const SETTINGS = collection('settings', strictObject({ fleet: v.string(), epoch: versionSchema }))

/** One row of the settings, key `claimed-epoch`: when an epoch began last for what a router or a host reported. */
export const CLAIM_KEY = 'claimed-epoch'
export const CLAIM = collection('settings', strictObject({ at: v.string() }))

/** One row of the settings, key `automation`: what an operator said last of automation, while it counts. */
export const AUTOMATION_ORDER_KEY = 'automation'
const automationOrderSchema = strictObject({
  mode: v.picklist(['frozen', 'thawed']),
  actor: v.string(),
  reason: v.string(),
  at: v.string(),
})
export type AutomationOrder = v.InferOutput<typeof automationOrderSchema>
export const AUTOMATION_ORDER = collection('settings', automationOrderSchema)

/** By cell id. Retired cells stay, so that no slot is given twice. The URL is of an external database: a secret, so it is no part of the cell. */
const storedCellSchema = strictObject({
  cell: cellSchema,
  database_url: v.nullable(v.string()),
  /** Of a cell that was set at run time: `weight` as a person said it last, and what the fleet file declared then (`cell-settings.ts`). */
  settings: v.optional(
    strictObject({
      weight: weightSchema,
      declared: strictObject({ weight: weightSchema, capacity: capacitySchema }),
    }),
  ),
  /** It drains because its zone was evacuated; restoring the zone takes it back. */
  is_evacuated: v.optional(v.literal(true)),
})
export type StoredCell = v.InferOutput<typeof storedCellSchema>
export const CELLS = collection('cells', storedCellSchema)

/** By tenant. */
export const OVERRIDES = collection('overrides', overrideSchema)

/** By tenant: registered ones, and those that routers saw, with how many requests: ever, and lately (`recent-requests.ts`) as of `at`. */
const storedTenantSchema = strictObject({
  is_registered: v.boolean(),
  requests: atLeast(0),
  recent: v.optional(strictObject({ requests: atLeast(0), at: int(0) })),
})
export type StoredTenant = v.InferOutput<typeof storedTenantSchema>
export const TENANTS = collection('tenants', storedTenantSchema)

/** By tenant: those in quarantine, and for an hour those that were released. Times are ISO 8601. */
const storedQuarantineSchema = strictObject({
  tenant: v.string(),
  rule: v.picklist(['errors', 'crashes', 'operator']),
  reason: v.string(),
  since: v.string(),
  until: v.nullable(v.string()),
  released_at: v.nullable(v.string()),
  times: int(0),
  traffic_share: atLeast(0),
})
export type StoredQuarantine = v.InferOutput<typeof storedQuarantineSchema>
export const QUARANTINES = collection('quarantines', storedQuarantineSchema)

/** By `versionKey`. Apart from the texts, so that a list of versions does not read 50 documents. */
export const VERSIONS = collection('versions', versionSummarySchema)

/** By `versionKey`: the signed text, byte for byte as published. */
const storedTextSchema = strictObject({ ...documentVersion.entries, text: v.string() })
export const BASES = collection('bases', storedTextSchema)

/** One row, key `current`. */
export const CURRENT_KEY = 'current'
export const OVERLAYS = collection('overlays', storedTextSchema)

/** By host: the order that is in force. */
export const ORDERS = collection('orders', hostOrderSchema)

/** By router: the last thing that it said of itself. */
const storedRouterSchema = strictObject({
  router: v.string(),
  last_report_at: v.string(),
  base: v.nullable(documentVersion),
  overlay: v.nullable(documentVersion),
  refused_documents: int(),
  last_refusal: v.nullable(v.string()),
})
export type StoredRouter = v.InferOutput<typeof storedRouterSchema>
export const ROUTERS = collection('routers', storedRouterSchema)

/** By host. */
const storedHostSchema = strictObject({ host: v.string(), last_report_at: v.string() })
export type StoredHost = v.InferOutput<typeof storedHostSchema>
export const HOSTS = collection('hosts', storedHostSchema)

/** One row, key `wave`, while a base is with one router only. Counters are those of the routers' reports when it began. */
export const WAVE_KEY = 'wave'
const storedWaveSchema = strictObject({
  base: documentVersion,
  former: documentVersion,
  canary: v.string(),
  began_at: v.string(),
  began: list(
    strictObject({
      router: v.string(),
      started_at: v.string(),
      requests: int(),
      errors: int(),
      refused: int(),
      /** Of the canary: whose counters go when the base drops their cell. */
      cells: v.optional(list(strictObject({ slot: int(), requests: int(), errors: int() }))),
    }),
  ),
})
export type StoredWave = v.InferOutput<typeof storedWaveSchema>
export const WAVES = collection('rollout', storedWaveSchema)

/** One row, key `halt`, after a base was taken back: none is published until somebody resumes. */
export const HALT_KEY = 'halt'
const storedHaltSchema = strictObject({ base: documentVersion, reason: v.string(), at: v.string() })
export const HALTS = collection('rollout', storedHaltSchema)

/** One row, key `placement-plan`: the plan that was shown last. Its table is that of the wire, by the base's hash and shard size. */
export const PLAN_KEY = 'placement-plan'
const storedPlanSchema = strictObject({
  plan: v.string(),
  at: v.string(),
  /** A hash of what it was made from: tenants' places and overrides, cells. */
  inventory: v.string(),
  subject: v.string(),
  table: v.string(),
  cells: list(strictObject({ id: v.string(), weight: weightSchema, drains: v.boolean() })),
})
export type StoredPlan = v.InferOutput<typeof storedPlanSchema>
export const PLANS = collection('rollout', storedPlanSchema)

/** One row, key `placement-undo`: the cells as they were before the plan that made this base. */
export const UNDO_KEY = 'placement-undo'
const storedUndoSchema = strictObject({ base: documentVersion, cells: list(storedCellSchema) })
export const UNDOS = collection('rollout', storedUndoSchema)

/** One row, key `grant`: what an operator let the next base exceed. */
export const GRANT_KEY = 'grant'
const storedGrantSchema = strictObject({
  actor: v.string(),
  reason: v.string(),
  at: v.string(),
  allowed: list(strictObject({ budget: v.string(), value: finite })),
})
export const GRANTS = collection('rollout', storedGrantSchema)

/** By `incidentKey`. Counts are of requests while it lasted. */
const storedIncidentSchema = strictObject({
  cell: v.string(),
  slo: v.string(),
  cause: v.picklist(['health', 'deploy', 'unknown']),
  reason: v.string(),
  from: int(0),
  until: v.nullable(int(0)),
  of_cell: strictObject({ total: atLeast(0), good: atLeast(0) }),
  of_fleet: strictObject({ total: atLeast(0), good: atLeast(0) }),
})
export type StoredIncident = v.InferOutput<typeof storedIncidentSchema>
export const INCIDENTS = collection('incidents', storedIncidentSchema)

/** By `sequenceKey` of the hour: hours since the epoch. The busiest tenants of it. */
const storedTenantHourSchema = strictObject({
  hour: int(0),
  tenants: list(strictObject({ tenant: v.string(), requests: atLeast(0), errors: atLeast(0) })),
})
export type StoredTenantHour = v.InferOutput<typeof storedTenantHourSchema>
export const TENANT_HOURS = collection('tenant_hours', storedTenantHourSchema)

/** By `sequenceKey` of the entry's id. */
export const AUDIT = collection('audit', auditEntrySchema)

/** Sorts as (epoch, version) does. 16 digits hold every safe integer. */
export const versionKey = (v: { epoch: number; version: number }) =>
  `${sequenceKey(v.epoch)}.${sequenceKey(v.version)}`

export const sequenceKey = (n: number) => String(n).padStart(16, '0')

/** Sorts by when it began; a cell has one at a time. */
export const incidentKey = ({ from, cell }: { from: number; cell: string }) => `${sequenceKey(from)}.${cell}`
