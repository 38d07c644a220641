/** What the next base is to say: registry + overrides + tenants + fleet file + the base before → the base after. Pure. */
import {
  canonicalJson,
  type Parsed,
  parsed,
  type TopologyBase,
  type UnsignedTopologyBase,
} from '@cellplane/contract'
import type { FleetFile } from '@cellplane/contract/fleet-file'
import { type CrowdedCell, compileBase } from '@cellplane/core'
import { planTable, type TableWish } from './plan-table.ts'

export type BaseWish = TableWish & { epoch: number }

export type BasePlan = {
  base: UnsignedTopologyBase
  /** False when the base says what the current one says; it need not be published then. */
  isChanged: boolean
  /** What placement had to say, in words. */
  notes: string[]
  /** Cells with more tenants than their bound, after this plan. */
  crowded: CrowdedCell[]
}

/** Problems: those of `planTable` and `compileBase`. */
export function planBase(wish: BaseWish): Parsed<BasePlan> {
  const { fleet, cells, current, now } = wish
  const planned = planTable(wish)
  if (!planned.ok) return planned
  const { table, former, notes, crowded } = planned.value

  const base = compileBase({
    fleet,
    cells,
    table,
    formerTables: former,
    overrides: wish.overrides,
    tokens: tokenPolicyOf(fleet),
    epoch: wish.epoch,
    version: (current?.version ?? 0) + 1,
    issuedAt: new Date(now).toISOString(),
  })
  if (!base.ok) return base
  const isChanged = current === null || contentOf(base.value) !== contentOf(current)
  return parsed({ base: base.value, isChanged, notes, crowded })
}

/** What routers and cells need to know of the tokens; where the keys are is each one's own configuration. */
export function tokenPolicyOf({ tokens }: FleetFile): TopologyBase['tokens'] {
  return tokens ? { issuer: tokens.issuer, audience: tokens.audience, algorithms: tokens.algorithms } : null
}

/** What a base says, apart from its number, its date and who signed it. The epoch counts: a new one has to be said. */
function contentOf(base: UnsignedTopologyBase | TopologyBase): string {
  const { version: _version, issued_at: _issuedAt, ...content } = base
  if ('signature' in content) delete (content as Partial<TopologyBase>).signature
  return canonicalJson(content)
}
