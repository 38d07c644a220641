/** The audit trail: who changed what, when and why; written in the same transaction as the change itself. */
import { AUDIT, sequenceKey } from '../store/collections.ts'
import type { StoreWriter } from '../store/store.ts'

/** Entries kept. At a change a minute that is two months; longer belongs into an archive. */
export const AUDIT_ENTRIES_MAX = 100_000

/** Who it was when no person asked for it. */
export const AUTOMATION = 'control plane'

export type AuditedChange = {
  /** The name of the caller's token, or AUTOMATION. */
  actor: string
  /** `cell.drain`, `tenant.pin`: noun and verb. */
  action: string
  subject: string
  reason: string
}

/** `now` in ms since the epoch. */
export async function recordChange(writer: StoreWriter, change: AuditedChange, now: number): Promise<void> {
  const last = await writer.list(AUDIT, { order: 'descending', limit: 1 })
  const lastKey = last.rows[0]?.key ?? last.invalid[0]?.key
  const sequence = lastKey === undefined ? 1 : Number(lastKey) + 1
  await writer.put(AUDIT, sequenceKey(sequence), {
    id: sequenceKey(sequence),
    at: new Date(now).toISOString(),
    ...change,
  })
  if (sequence > AUDIT_ENTRIES_MAX) await writer.remove(AUDIT, sequenceKey(sequence - AUDIT_ENTRIES_MAX))
}
