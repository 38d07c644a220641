/**
 * The table that the next base is to have, and the former ones beside it. Pure.
 *
 * The base before is all the state that placement has: its table is where tenants are. As long as the cells that take
 * part are the same, that table stays as it is, to the byte: neither a restart nor a new version of the algorithm may
 * move anybody. The one thing that moves tenants with nobody's doing is a bound: when more tenants came than a cell may
 * have, the surplus goes to others, if that helps and if there is room to keep the way to their records.
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
} from '@cellplane/contract'
import type { FleetFile } from '@cellplane/contract/fleet-file'
import {
  type CrowdedCell,
  crowdedCells,
  excessOf,
  type PlacedCell,
  place,
  placementPolicyOf,
} from '@cellplane/core'
import { HOUR_MS } from '../clock.ts'
import { boundedCells, crowdedHomes, tenantLoad } from '../tenants/tenant-load.ts'
import { type FormerTable, isSameTable, keepFormerTables } from './former-tables.ts'

export type TableWish = {
  fleet: FleetFile
  /** The whole registry. */
  cells: readonly Cell[]
  overrides: readonly Override[]
  /** Registered and observed ones, by name; only looked at where a cell has a bound. */
  tenants: readonly string[]
  current: TopologyBase | null
  /** ms since the epoch. */
  now: number
  /**
   * `keep`: a plan that leaves more tenants above the cells' bounds than there are is refused; for changes that somebody
   * asks for. `best-effort`: never refused for that; for the base that has to be published whatever came.
   */
  bounds: 'keep' | 'best-effort'
}

export type TablePlan = {
  table: Uint16Array
  former: FormerTable[]
  /** What placement had to say, in words. */
  notes: string[]
  /** Cells with more tenants than their bound, after this plan. */
  crowded: CrowdedCell[]
}

/** Problems: those of `place`, PLACEMENT_POLICY_CHANGED, FORMER_TABLES_FULL, and NO_CELLS when no cell is active yet. */
export function planTable(wish: TableWish): Parsed<TablePlan> {
  const { fleet, cells, current } = wish
  const policy = policyProblem(fleet, current)
  if (policy) return policy
  const before = current ? tablesOf(current) : parsed({ table: null, former: [] })
  if (!before.ok) return before
  const placed = placedCells(cells)
  if (placed.length === 0) {
    return refused(problem('NO_CELLS', 'cells', 'no serving cell is active; a base needs one'))
  }

  const { table: previous } = before.value
  const isSame =
    current !== null && canonicalJson(placedCells(current.cells)) === canonicalJson(placed) ? previous : null
  const next = nextTable(wish, placed, previous, isSame)
  if (!next.ok) return next
  const former = formerTablesWith(wish, before.value, next.value.table)
  if (former.ok) return parsed({ ...next.value, former: former.value })
  // Relief can wait, and losing the way to records cannot.
  if (!isSame) return former
  const kept = formerTablesWith(wish, before.value, isSame)
  if (!kept.ok) return former
  return parsed({ table: isSame, notes: [], crowded: next.value.crowdedNow, former: kept.value })
}

/** The cells that tenants are placed on, with what placement looks at but for bounds: of a registry or of a base. */
function placedCells(cells: readonly (Cell | TopologyCell)[]): PlacedCell[] {
  return cells
    .filter((cell) => cell.state === 'active' && cell.role === 'serving')
    .sort((a, b) => a.slot - b.slot)
    .map(({ slot, weight, zone }) => ({ slot, weight, zone }))
}

/** `isSame`: the table before, when the cells are those that it was made for. */
function nextTable(
  wish: TableWish,
  placed: readonly PlacedCell[],
  previous: Uint16Array | null,
  isSame: Uint16Array | null,
): Parsed<Omit<TablePlan, 'former'> & { crowdedNow: CrowdedCell[] }> {
  const { fleet, cells, overrides } = wish
  const policy = placementPolicyOf(fleet)
  if (fleet.kind === 'stateful') {
    // A stateful tenant's home is assigned; the table only says where new ones start, and registering keeps the bounds.
    const crowded = crowdedHomes(cells, overrides)
    const next = isSame ? parsed({ table: isSame, notes: [] }) : place(previous, placed, policy)
    return next.ok ? parsed({ ...next.value, crowded, crowdedNow: crowded }) : next
  }
  const bounded = boundedCells(placed, cells, overrides)
  const load = tenantLoad(fleet, bounded, wish.tenants, overrides)
  const crowdedNow = previous ? crowdedCells(previous, bounded, policy, load) : []
  if (isSame && crowdedNow.length === 0) return parsed({ table: isSame, notes: [], crowded: [], crowdedNow })
  const excess = excessOf(crowdedNow)
  const next = place(previous, bounded, policy, {
    ...load,
    excessAllowed: wish.bounds === 'keep' ? excess : Number.POSITIVE_INFINITY,
  })
  if (!next.ok) return next
  const doesHelp = excessOf(next.value.crowded) < excess
  if (isSame && !doesHelp) return parsed({ table: isSame, notes: [], crowded: crowdedNow, crowdedNow })
  return parsed({ ...next.value, crowdedNow })
}

/** Those of the base that has `next` for its table, after one that had those of `before`. Refused with FORMER_TABLES_FULL. */
export function formerTablesWith(
  { fleet, current, now }: Pick<TableWish, 'fleet' | 'current' | 'now'>,
  before: { table: Uint16Array | null; former: FormerTable[] },
  next: Uint16Array,
): Parsed<FormerTable[]> {
  const replaced =
    current && before.table && !isSameTable(before.table, next)
      ? {
          version: current.version,
          until: new Date(now + fleet.cells.retention_hours * HOUR_MS).toISOString(),
          table: before.table,
        }
      : null
  return keepFormerTables(before.former, replaced, next, fleet.placement.shard_size, now)
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

export function tablesOf(base: TopologyBase): Parsed<{ table: Uint16Array; former: FormerTable[] }> {
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
