/**
 * Quarantines as the leader keeps them: what routers saw → plan → store, and from there into the overlay.
 *
 * The plan is core's. Each change is in the audit trail, by the automation; a rule that would go beyond its limits is
 * reported as frozen, with the reason, by the part `quarantine: <rule>`. While an operator has frozen automation, nobody is
 * put into quarantine and nobody let out, except by an operator.
 */

import type { FleetFile } from '@cellplane/contract/fleet-file'
import {
  planQuarantines,
  QUARANTINE_POLICY,
  type Quarantine,
  type QuarantineChange,
  type RouterFigures,
} from '@cellplane/core'
import { AUTOMATION, recordChange } from '../audit/audit.ts'
import type { Automation } from '../leader/automation.ts'
import { AUTOMATION_ORDER, AUTOMATION_ORDER_KEY, QUARANTINES, TENANTS } from '../store/collections.ts'
import { intact, type Store } from '../store/store.ts'
import { quarantineOf, storedQuarantine } from './stored-quarantine.ts'

export type TenantQuarantines = ReturnType<typeof createTenantQuarantines>

export type TenantQuarantinesOptions = {
  store: Store
  fleet: Pick<FleetFile, 'quarantine' | 'budget'>
  automation: Pick<Automation, 'report'>
  /** Of the routers that report. */
  figures: () => RouterFigures[]
  /** Ms since the epoch. */
  now: () => number
}

export function createTenantQuarantines(options: TenantQuarantinesOptions) {
  const { store, fleet, automation, figures, now } = options
  const policy = { ...QUARANTINE_POLICY, tenantsShareMax: fleet.budget.quarantined_share }
  /** What the store has; null when that may have changed. */
  let known: { quarantines: Quarantine[]; isFrozen: boolean } | null = null
  let isStale = true

  async function load(): Promise<{ quarantines: Quarantine[]; isFrozen: boolean }> {
    const rows = intact(await store.list(QUARANTINES))
    const order = await store.get(AUTOMATION_ORDER, AUTOMATION_ORDER_KEY)
    return { quarantines: rows.map(quarantineOf), isFrozen: order?.mode === 'frozen' }
  }

  /** One transaction: the rows that changed, those that are forgotten, and why. */
  async function save(
    before: readonly Quarantine[],
    after: readonly Quarantine[],
    changes: readonly QuarantineChange[],
  ) {
    const kept = new Set(after)
    const names = new Set(after.map(({ tenant }) => tenant))
    const old = new Set(before)
    await store.write(async (writer) => {
      for (const one of before) {
        if (!kept.has(one) && !names.has(one.tenant)) await writer.remove(QUARANTINES, one.tenant)
      }
      for (const one of after) {
        if (!old.has(one)) await writer.put(QUARANTINES, one.tenant, storedQuarantine(one))
      }
      for (const { tenant, action, reason } of changes) {
        const change = { actor: AUTOMATION, action: `tenant.${action}`, subject: tenant, reason }
        await recordChange(writer, change, now())
      }
    })
  }

  return {
    /** The store may have changed: by the API, or by another replica while this one did not lead. */
    invalidate(): void {
      isStale = true
    },
    async reconcile(): Promise<void> {
      if (isStale || !known) {
        isStale = false
        known = await load().catch((error: Error) => {
          isStale = true
          throw error
        })
      }
      const { quarantines: current, isFrozen } = known
      if (isFrozen) return
      const routers = figures()
      const isQuiet = routers.every(({ failing, charged }) => failing.length + charged.length === 0)
      const { release, probation_seconds: seconds } = fleet.quarantine
      const plan = planQuarantines({
        current,
        routers,
        // Counted by need: there may be 100,000.
        tenantCount: isQuiet ? 0 : await store.count(TENANTS),
        probationMs: release === 'probation' ? seconds * 1000 : null,
        now: now(),
        policy,
      })
      for (const rule of ['errors', 'crashes'] as const) {
        const why = plan.frozen.find((one) => one.rule === rule)?.reason
        const reason = why === undefined ? null : `quarantine by ${rule}: ${why}`
        automation.report(`quarantine: ${rule}`, reason, 'freeze')
      }
      const isSame =
        plan.quarantines.length === current.length && plan.quarantines.every((one, i) => one === current[i])
      if (isSame) return
      // What an operator did meanwhile is found at the next run, and not overwritten by a plan that knew nothing of it.
      if (isStale) return
      await save(current, plan.quarantines, plan.changes)
      known = { quarantines: plan.quarantines, isFrozen }
    },
    /** Null before the store was read for the first time. */
    current: (): readonly Quarantine[] | null => known?.quarantines ?? null,
  }
}
