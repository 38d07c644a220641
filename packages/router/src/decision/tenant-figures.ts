/**
 * What this process saw of each tenant over the last seconds: attempts, errors, crashes, and the time that its requests took
 * of cells. In bounded memory, however many tenants there are: see core's `createHeavyHitters`.
 *
 * - **Attempts** are counted in the tenant's record, which a request looks up anyway, and in the cell's.
 * - **Errors** (answers of 5xx, attempts that broke or timed out) go into a sketch, by tenant and cell. A connection that
 *   cannot be made is the cell's error, whoever asked for it.
 * - **Cost** is the time between sending and the head of the answer, summed: what the tenant has under way on average. It
 *   is sampled: times add up, and whoever's request fills the next 100 ms is put down for them. So the plain request
 *   pays an addition, a tenant with a tenth of the cost is told within half a percent, and who is always answered quickly is hardly ever told.
 * - **Crashes** are the crash watch's.
 *
 * The control plane puts the figures of all routers together and decides by them; nothing here does.
 */
import {
  type CellCount,
  countInWindow,
  createHeavyHitters,
  createWindowCount,
  HEAVY_HITTER_POLICY,
  readWindowCount,
  type WindowCount,
} from '@cellplane/core/data-plane'
import type { Tenant } from './tenants.ts'

/** The finer, the more often the sketch is touched: at 1,000 requests of 20 ms a second it is 200 times. */
const COST_QUANTUM_MS = 100

export type TenantFigures = {
  /** An attempt has an outcome other than a failed connection. `ms`: from sending until then. `now` as on the router's clock. */
  attempted(tenant: Tenant, slot: number, ms: number, now: number): void
  failed(tenant: Tenant, slot: number, now: number): void
  /** The tenants with most errors and cost, at most `max` of each, and of each cell its attempts and errors. */
  read(max: number, now: number): TenantFiguresReading
}

export type TenantFiguresReading = {
  windowMs: number
  errors: { tenant: string; count: number; cells: CellCount[] }[]
  /** In ms. */
  cost: { tenant: string; count: number; cells: CellCount[] }[]
  cells: Map<number, { attempts: number; errors: number; errorsOfOneTenant: number }>
}

export function createTenantFigures(): TenantFigures {
  const errors = createHeavyHitters()
  const cost = createHeavyHitters()
  const attempts = new Map<number, WindowCount>()
  let costCarryMs = 0

  function countAtCell(slot: number, now: number): void {
    let count = attempts.get(slot)
    if (!count) {
      count = createWindowCount()
      attempts.set(slot, count)
    }
    countInWindow(count, now)
  }

  return {
    attempted(tenant, slot, ms, now) {
      countInWindow(tenant.attempts, now)
      countAtCell(slot, now)
      costCarryMs += ms
      if (costCarryMs < COST_QUANTUM_MS) return
      const quanta = Math.floor(costCarryMs / COST_QUANTUM_MS)
      costCarryMs -= quanta * COST_QUANTUM_MS
      cost.add(nameOf(tenant), slot, quanta * COST_QUANTUM_MS, now)
    },
    failed(tenant, slot, now) {
      errors.add(nameOf(tenant), slot, 1, now)
    },
    read(max, now) {
      const failing = errors.read(max, now)
      const cells = Array.from(attempts, ([slot, count]) => {
        const { total = 0, ofOneTenant = 0 } = failing.cells.get(slot) ?? {}
        const figures = {
          attempts: readWindowCount(count, now),
          errors: total,
          errorsOfOneTenant: ofOneTenant,
        }
        return [slot, figures] as const
      })
      for (const [slot, figures] of cells) if (figures.attempts === 0) attempts.delete(slot)
      return {
        windowMs: HEAVY_HITTER_POLICY.windowMs,
        errors: failing.tenants,
        cost: cost.read(max, now).tenants,
        cells: new Map(cells),
      }
    },
  }
}

/** A caller without a key counts for its cell only. */
const nameOf = ({ key, isTenant }: Tenant): string | null => (isTenant ? key : null)
