/** What this router saw of tenants, as a report carries it: whole numbers, and never more than a report may hold. */
import { FIGURES_MAX, type TenantFiguresReport } from '@cellplane/contract'
import { monotonicNow } from '../clock.ts'
import type { CrashWatch } from '../decision/crash-watch.ts'
import type { TenantFiguresReading } from '../decision/tenant-figures.ts'
import type { Tenants } from '../decision/tenants.ts'

export type FiguresSources = {
  tenants: Pick<Tenants, 'attemptsOf'>
  crashes: Pick<CrashWatch, 'charged'>
}

type CellFigures = TenantFiguresReading['cells'] extends Map<number, infer Figures> ? Figures : never

/** Of a cell's errors, the share that is one tenant's. */
export function errorsShareOf(cell: CellFigures | undefined): number {
  return cell && cell.errors > 0 ? Math.min(1, cell.errorsOfOneTenant / cell.errors) : 0
}

export function formatFigures(
  { tenants, crashes }: FiguresSources,
  { windowMs, cells, errors, cost }: TenantFiguresReading,
): TenantFiguresReport {
  const now = monotonicNow()
  return {
    window_ms: windowMs,
    cells: Array.from(cells, ([slot, figures]) => ({
      slot,
      // The last attempts of a tenant may have had their outcome before the window, and an answer break off in it.
      attempts: Math.max(figures.attempts, figures.errors),
      errors: figures.errors,
    })),
    errors: errors.map(({ tenant, count, cells: places }) => {
      const own = Math.round(count)
      return {
        tenant,
        attempts: Math.max(tenants.attemptsOf(tenant, now), own),
        errors: own,
        cells: places.map((place) => ({ slot: place.slot, errors: Math.round(place.count) })),
      }
    }),
    crashes: crashes.charged(FIGURES_MAX).map(({ tenant, isSuspended, crashes: charges }) => ({
      tenant,
      attempts: tenants.attemptsOf(tenant, now),
      is_suspended: isSuspended,
      crashes: charges.map(({ slot, agoMs, sentMsBefore }) => ({
        slot,
        ms_ago: Math.round(agoMs),
        sent_ms_before: Math.round(sentMsBefore),
      })),
    })),
    cost: cost.map(({ tenant, count, cells: places }) => ({
      tenant,
      attempts: tenants.attemptsOf(tenant, now),
      ms: Math.round(count),
      cells: places.map((place) => ({ slot: place.slot, ms: Math.round(place.count) })),
    })),
  }
}
