/** What routers report of tenants, as core's planner reads it. Pure. */
import type { RouterReport } from '@cellplane/contract'
import { QUARANTINE_POLICY, type RouterFigures } from '@cellplane/core'

/**
 * Null for a router of before there were such figures. `receivedAt` in ms since the epoch, on the control plane's clock: ages
 * are told, and not times, as hosts' clocks differ.
 */
export function routerFiguresOf(report: RouterReport, receivedAt: number): RouterFigures | null {
  const figures = report.tenant_figures
  if (!figures) return null
  return {
    cells: figures.cells,
    failing: figures.errors,
    costly: figures.cost,
    charged: figures.crashes.map(({ tenant, attempts, is_suspended, crashes }) => ({
      tenant,
      attempts,
      isSuspended: is_suspended,
      crashes: crashes.map(({ slot, ms_ago, sent_ms_before }) => ({
        slot,
        at: receivedAt - ms_ago,
        sentMsBefore: sent_ms_before,
      })),
    })),
  }
}

/** Whether a report may put somebody into quarantine, so that it is worth a look before the second is over. */
export function isAlarming({ tenant_figures: figures }: RouterReport): boolean {
  if (!figures) return false
  return (
    figures.crashes.some(({ is_suspended, crashes }) => is_suspended || crashes.length > 1) ||
    figures.errors.some(({ errors }) => errors >= QUARANTINE_POLICY.errorsMin)
  )
}
