/**
 * The check between plan and store: what a planned base would exceed of the fleet's budget, over tables and over the tenants
 * that are known. It decides nothing; who planned refuses, or has an operator's leave (`force-grant.ts`).
 *
 * Reading every tenant costs, and tenants come slowly: their figures are kept for a while, as sums by bucket.
 */
import { canonicalJson, formatProblems, type UnsignedTopologyBase } from '@cellplane/contract'
import type { FleetFile } from '@cellplane/contract/fleet-file'
import {
  buildRoutingIndex,
  checkedBase,
  checkTables,
  checkTenants,
  type Excess,
  measureTenants,
  type TenantFigures,
} from '@cellplane/core'
import { monotonicNow } from '../clock.ts'
import type { StoreReader } from '../store/store.ts'
import { readTenantRequests } from '../tenants/recent-requests.ts'
import type { HeldBase } from './published.ts'

/** Figures are good for this long: as long as blast-radius figures are. */
const KEPT_MS = 10_000

export type BudgetCheck = ReturnType<typeof createBudgetCheck>

/** `now` in ms since the epoch. */
export function createBudgetCheck(fleet: Pick<FleetFile, 'budget'>, now: () => number) {
  let kept: { at: number; hash: string; figures: TenantFigures } | undefined

  async function figuresFor(reader: StoreReader, base: UnsignedTopologyBase, names: ReadonlySet<string>) {
    const hash = canonicalJson(base.hash)
    const isFresh = kept && kept.hash === hash && monotonicNow() - kept.at < KEPT_MS
    if (kept && isFresh && names.isSubsetOf(new Set(kept.figures.named.keys()))) return kept.figures
    const figures = measureTenants(await readTenantRequests(reader, now()), base.hash, names)
    kept = { at: monotonicNow(), hash, figures }
    return figures
  }

  /** `current` is what the base would follow; a first base follows nothing, and exceeds nothing. */
  return async function check(
    reader: StoreReader,
    current: HeldBase | null,
    next: UnsignedTopologyBase,
  ): Promise<Excess[]> {
    if (!current) return []
    const { document, snapshot } = current
    const index = buildRoutingIndex(next)
    if (!index.ok) throw new Error(`a compiled base does not fit itself: ${formatProblems(index.problems)}`)
    const before = { ...checkedBase(snapshot, document.cells), overrides: document.overrides }
    const after = { ...checkedBase(index.value, next.cells), overrides: next.overrides }
    const excesses = checkTables(before, after, fleet.budget)
    const isSameHash = canonicalJson(document.hash) === canonicalJson(next.hash)
    if (!isSameHash || isSamePlacement(document, next)) return excesses
    const names = new Set([...before.overrides, ...after.overrides].map(({ tenant }) => tenant))
    const figures = await figuresFor(reader, next, names)
    return [...excesses, ...checkTenants(before, after, figures, fleet.budget)]
  }
}

function isSamePlacement(before: UnsignedTopologyBase, after: UnsignedTopologyBase): boolean {
  return (
    before.table === after.table &&
    canonicalJson(before.cells) === canonicalJson(after.cells) &&
    canonicalJson(before.overrides) === canonicalJson(after.overrides)
  )
}
