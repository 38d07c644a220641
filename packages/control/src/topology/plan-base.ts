/** What the next base is to say: registry + overrides + tenants + fleet file + the base before → the base after. Pure. */
import {
  canonicalJson,
  type FormerOverride,
  type Parsed,
  parsed,
  type TopologyBase,
  type UnsignedTopologyBase,
} from '@cellplane/contract'
import type { FleetFile } from '@cellplane/contract/fleet-file'
import { type CrowdedCell, compileBase } from '@cellplane/core'
import { HOUR_MS } from '../clock.ts'
import { keepFormerOverrides, type Released } from './former-overrides.ts'
import type { FormerTable } from './former-tables.ts'
import { planTable, type TableWish } from './plan-table.ts'

export type BaseWish = TableWish & {
  epoch: number
  /** Who was let out of quarantine lately; nobody when left out, as for a base that is only checked. */
  released?: readonly Released[]
}

export type BasePlan = {
  base: UnsignedTopologyBase
  /** False when the base says what the current one says; it need not be published then. */
  isChanged: boolean
  /** What placement had to say, in words. */
  notes: string[]
  /** Cells with more tenants than their bound, after this plan. */
  crowded: CrowdedCell[]
}

/** Problems: those of `planTable`, `keepFormerOverrides` and `compileBase`. */
export function planBase(wish: BaseWish): Parsed<BasePlan> {
  const planned = planTable(wish)
  if (!planned.ok) return planned
  const { table, former, notes, crowded } = planned.value
  const base = baseOf(wish, table, former)
  if (!base.ok) return base
  const { current } = wish
  const isChanged = current === null || contentOf(base.value) !== contentOf(current)
  return parsed({ base: base.value, isChanged, notes, crowded })
}

/** What a base is made of once its table is known. */
export type BaseContent = Omit<BaseWish, 'tenants' | 'bounds'>

/** The next base, with this table and these former ones. Problems: those of `keepFormerOverrides` and `compileBase`. */
export function baseOf(
  wish: BaseContent,
  table: Uint16Array,
  formerTables: FormerTable[],
): Parsed<UnsignedTopologyBase> {
  const { fleet, cells, overrides, epoch, current, now } = wish
  const formerOverrides = formerOverridesOf(wish)
  if (!formerOverrides.ok) return formerOverrides
  return compileBase({
    ...{ fleet, cells, table, formerTables, overrides, epoch },
    formerOverrides: formerOverrides.value,
    tokens: tokenPolicyOf(fleet),
    version: (current?.version ?? 0) + 1,
    issuedAt: new Date(now).toISOString(),
  })
}

function formerOverridesOf({
  fleet,
  cells,
  overrides,
  released = [],
  current,
  now,
}: BaseContent): Parsed<FormerOverride[]> {
  if (!current) return parsed([])
  const retired = new Set(cells.filter((cell) => cell.state === 'retired').map((cell) => cell.slot))
  const after = (at: number) => new Date(at + fleet.cells.retention_hours * HOUR_MS).toISOString()
  const absorber = current.quarantine.cell
  return keepFormerOverrides({
    former: current.former_overrides ?? [],
    before: current.overrides,
    next: overrides,
    released:
      absorber === null
        ? []
        : released.map(({ tenant, at }) => ({ tenant, until: after(Date.parse(at)), cell: absorber })),
    mayAnswer: (slot) => !retired.has(slot),
    until: after(now),
    now,
  })
}

/** What routers and cells need to know of the tokens; where the keys are is each one's own configuration. */
function tokenPolicyOf({ tokens }: FleetFile): TopologyBase['tokens'] {
  return tokens ? { issuer: tokens.issuer, audience: tokens.audience, algorithms: tokens.algorithms } : null
}

/** What a base says, apart from its number, its date, who signed it and whether it was forced. The epoch counts: a new one has to be said. */
function contentOf(base: UnsignedTopologyBase | TopologyBase): string {
  const { version: _version, issued_at: _issuedAt, forced: _forced, ...content } = base
  if ('signature' in content) delete (content as Partial<TopologyBase>).signature
  return canonicalJson(content)
}
