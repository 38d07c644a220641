/** The collections of the store: what is remembered, under which key. */
import { cellSchema, hostOrderSchema, overrideSchema, versionSchema } from '@cellplane/contract'
import { auditEntrySchema, versionSummarySchema } from '@cellplane/contract/api'
import { z } from 'zod'
import type { Collection } from './store.ts'

const collection = <T>(table: string, schema: z.ZodType<T>): Collection<T> => ({ table, schema })
const documentVersion = z.strictObject({ epoch: versionSchema, version: versionSchema })

/** One row, key `fleet`. The epoch begins as 1 and stays, restarts included; it rises when the store turns out to be an older copy. */
export const SETTINGS_KEY = 'fleet'
export const SETTINGS = collection('settings', z.strictObject({ fleet: z.string(), epoch: versionSchema }))

/** By cell id. Retired cells stay, so that no slot is given twice. The URL is of an external database: a secret, so it is no part of the cell. */
const storedCellSchema = z.strictObject({ cell: cellSchema, database_url: z.string().nullable() })
export type StoredCell = z.infer<typeof storedCellSchema>
export const CELLS = collection('cells', storedCellSchema)

/** By tenant. */
export const OVERRIDES = collection('overrides', overrideSchema)

/** By tenant: registered ones, and those that routers saw, with how many requests. */
const storedTenantSchema = z.strictObject({ is_registered: z.boolean(), requests: z.number().min(0) })
export type StoredTenant = z.infer<typeof storedTenantSchema>
export const TENANTS = collection('tenants', storedTenantSchema)

/** By `versionKey`. Apart from the texts, so that a list of versions does not read 50 documents. */
export const VERSIONS = collection('versions', versionSummarySchema)

/** By `versionKey`: the signed text, byte for byte as published. */
const storedTextSchema = documentVersion.extend({ text: z.string() })
export const BASES = collection('bases', storedTextSchema)

/** One row, key `current`. */
export const CURRENT_KEY = 'current'
export const OVERLAYS = collection('overlays', storedTextSchema)

/** By host: the order that is in force. */
export const ORDERS = collection('orders', hostOrderSchema)

/** By router: the last thing that it said of itself. */
const storedRouterSchema = z.strictObject({
  router: z.string(),
  last_report_at: z.string(),
  base: documentVersion.nullable(),
  overlay: documentVersion.nullable(),
  refused_documents: z.int(),
  last_refusal: z.string().nullable(),
})
export type StoredRouter = z.infer<typeof storedRouterSchema>
export const ROUTERS = collection('routers', storedRouterSchema)

/** By host. */
const storedHostSchema = z.strictObject({ host: z.string(), last_report_at: z.string() })
export type StoredHost = z.infer<typeof storedHostSchema>
export const HOSTS = collection('hosts', storedHostSchema)

/** By `sequenceKey` of the entry's id. */
export const AUDIT = collection('audit', auditEntrySchema)

/** Sorts as (epoch, version) does. 16 digits hold every safe integer. */
export const versionKey = (v: { epoch: number; version: number }) =>
  `${sequenceKey(v.epoch)}.${sequenceKey(v.version)}`

export const sequenceKey = (n: number) => String(n).padStart(16, '0')
