/**
 * What the next base is to say: registry + overrides + fleet file + the base before → the base after. Pure.
 *
 * The base before is all the state that placement has: its table is where tenants are. As long as the cells that take
 * part are the same, that table stays as it is, to the byte: neither a restart nor a new version of the algorithm may
 * move anybody.
 */
import {
  type Cell,
  canonicalJson,
  decodeTable,
  type Override,
  type Parsed,
  parsed,
  problem,
  refused,
  type TopologyBase,
  type TopologyCell,
  type UnsignedTopologyBase,
} from '@cellplane/contract'
import type { FleetFile } from '@cellplane/contract/fleet-file'
import { compileBase, type PlacedCell, place, placementPolicyOf } from '@cellplane/core'
import { type FormerTable, isSameTable, keepFormerTables } from './former-tables.ts'

const MS_PER_HOUR = 3_600_000

export type BaseWish = {
  fleet: FleetFile
  /** The whole registry. */
  cells: readonly Cell[]
  overrides: readonly Override[]
  current: TopologyBase | null
  epoch: number
  /** ms since the epoch. */
  now: number
}

export type BasePlan = {
  base: UnsignedTopologyBase
  /** False when the base says what the current one says; it need not be published then. */
  isChanged: boolean
  /** What placement had to say, in words. */
  notes: string[]
}

/**
 * Problems: those of `place` and `compileBase`, PLACEMENT_POLICY_CHANGED, FORMER_TABLES_FULL, and NO_CELLS when no cell
 * is active yet.
 */
export function planBase(wish: BaseWish): Parsed<BasePlan> {
  const { fleet, cells, current, now } = wish
  const policy = policyProblem(fleet, current)
  if (policy) return policy
  const before = current ? tablesOf(current) : parsed({ table: null, former: [] })
  if (!before.ok) return before

  const placed = placedCells(cells)
  if (placed.length === 0) {
    return refused(problem('NO_CELLS', 'cells', 'no serving cell is active; a base needs one'))
  }
  const table = tableFor(placed, before.value.table, current, fleet)
  if (!table.ok) return table
  const former = keepFormerTables(
    before.value.former,
    current && before.value.table && !isSameTable(before.value.table, table.value.table)
      ? {
          version: current.version,
          until: new Date(now + fleet.cells.retention_hours * MS_PER_HOUR).toISOString(),
          table: before.value.table,
        }
      : null,
    table.value.table,
    fleet.placement.shard_size,
    now,
  )
  if (!former.ok) return former

  const base = compileBase({
    fleet,
    cells,
    table: table.value.table,
    formerTables: former.value,
    overrides: wish.overrides,
    tokens: tokenPolicyOf(fleet),
    epoch: wish.epoch,
    version: (current?.version ?? 0) + 1,
    issuedAt: new Date(now).toISOString(),
  })
  if (!base.ok) return base
  const isChanged = current === null || contentOf(base.value) !== contentOf(current)
  return parsed({ base: base.value, isChanged, notes: table.value.notes })
}

/** The cells that tenants are placed on, with all of them that placement looks at: of a registry or of a base. */
function placedCells(cells: readonly (Cell | TopologyCell)[]): PlacedCell[] {
  return cells
    .filter((cell) => cell.state === 'active' && cell.role === 'serving')
    .sort((a, b) => a.slot - b.slot)
    .map(({ slot, weight, zone }) => ({ slot, weight, zone }))
}

/** What routers and cells need to know of the tokens; where the keys are is each one's own configuration. */
export function tokenPolicyOf({ tokens }: FleetFile): TopologyBase['tokens'] {
  return tokens ? { issuer: tokens.issuer, audience: tokens.audience, algorithms: tokens.algorithms } : null
}

/** Another seed, number of buckets or shard size would move nearly every tenant at once. */
function policyProblem(fleet: FleetFile, current: TopologyBase | null): Parsed<never> | undefined {
  if (!current) return undefined
  const policy = placementPolicyOf(fleet)
  const differing = [
    ['seed', policy.seed, current.hash.seed] as const,
    ['buckets', policy.buckets, current.hash.buckets] as const,
    ['shard_size', policy.shardSize, current.shard_size] as const,
  ].filter(([, wanted, is]) => wanted !== is)
  if (differing.length === 0) return undefined
  return {
    ok: false,
    problems: differing.map(([name, wanted, is]) =>
      problem(
        'PLACEMENT_POLICY_CHANGED',
        `placement.${name}`,
        `found ${wanted}, but the fleet runs with ${is}, and the change would move nearly every tenant; put ${is} back, or start a new fleet`,
      ),
    ),
  }
}

function tableFor(
  placed: PlacedCell[],
  previous: Uint16Array | null,
  current: TopologyBase | null,
  fleet: FleetFile,
): Parsed<{ table: Uint16Array; notes: string[] }> {
  if (previous && current && canonicalJson(placedCells(current.cells)) === canonicalJson(placed)) {
    return parsed({ table: previous, notes: [] })
  }
  return place(previous, placed, placementPolicyOf(fleet))
}

function tablesOf(base: TopologyBase): Parsed<{ table: Uint16Array; former: FormerTable[] }> {
  const decode = (text: string) => decodeTable(text, base.hash.buckets, base.shard_size)
  const table = decode(base.table)
  if (!table.ok) return table
  const former: FormerTable[] = []
  for (const one of base.former_tables) {
    const slots = decode(one.table)
    if (!slots.ok) return slots
    former.push({ ...one, table: slots.value })
  }
  return parsed({ table: table.value, former })
}

/** What a base says, apart from its number, its date and who signed it. The epoch counts: a new one has to be said. */
function contentOf(base: UnsignedTopologyBase | TopologyBase): string {
  const { version: _version, issued_at: _issuedAt, ...content } = base
  if ('signature' in content) delete (content as Partial<TopologyBase>).signature
  return canonicalJson(content)
}
