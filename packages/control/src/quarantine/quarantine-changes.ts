/** What operators do: put a tenant into quarantine, and let it out. Each runs inside one transaction of the store. */
import { type Parsed, parsed, problem, QUARANTINED_MAX, refused } from '@cellplane/contract'
import type { FleetFile } from '@cellplane/contract/fleet-file'
import { namedKey, quarantineByOperator, releaseByOperator } from '@cellplane/core'
import { type AuditedChange, recordChange } from '../audit/audit.ts'
import { QUARANTINES } from '../store/collections.ts'
import { intact, type StoreReader, type StoreWriter } from '../store/store.ts'
import { quarantineOf, storedQuarantine } from './stored-quarantine.ts'

type Cause = Pick<AuditedChange, 'actor' | 'reason'>

export type QuarantineChanges = ReturnType<typeof createQuarantineChanges>

export function createQuarantineChanges(fleet: Pick<FleetFile, 'partition_key'>, now: () => number) {
  /** As requests have it: what is written for another spelling would never be found by one. */
  const keyOf = (tenant: string) => namedKey(fleet.partition_key.rules, tenant)

  return {
    /** One that is in quarantine already stays until an operator lets it out, whatever put it there. */
    async quarantine(writer: StoreWriter, named: string, cause: Cause): Promise<Parsed<void>> {
      const tenant = keyOf(named)
      const known = await writer.get(QUARANTINES, tenant)
      const isAdded = !known || known.released_at !== null
      if (isAdded && (await isFull(writer))) {
        const why = `${QUARANTINED_MAX} tenants are in quarantine, the most that an overlay holds; release some`
        return refused(problem('CONFLICT', '', why))
      }
      const next = quarantineByOperator(known && quarantineOf(known), tenant, cause.reason, now())
      await writer.put(QUARANTINES, tenant, storedQuarantine(next))
      await recordChange(writer, { ...cause, action: 'tenant.quarantine', subject: tenant }, now())
      return parsed(undefined)
    },

    async release(writer: StoreWriter, named: string, cause: Cause): Promise<Parsed<void>> {
      const tenant = keyOf(named)
      const known = await writer.get(QUARANTINES, tenant)
      if (!known || known.released_at !== null) {
        const why = `tenant "${tenant}" is not in quarantine; see \`cellplane tenant list --quarantined\``
        return refused(problem('NOT_FOUND', 'path.tenant', why))
      }
      const next = releaseByOperator(quarantineOf(known), now())
      await writer.put(QUARANTINES, tenant, storedQuarantine(next))
      await recordChange(writer, { ...cause, action: 'tenant.release', subject: tenant }, now())
      return parsed(undefined)
    },
  }
}

/** Rows of tenants that were let out are remembered for a while, and take no place of the overlay. */
async function isFull(reader: StoreReader): Promise<boolean> {
  if ((await reader.count(QUARANTINES)) < QUARANTINED_MAX) return false
  const rows = intact(await reader.list(QUARANTINES))
  return rows.filter((row) => row.released_at === null).length >= QUARANTINED_MAX
}
