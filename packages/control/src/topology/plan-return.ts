/**
 * Ways back to a base that was published before, each under a new version, since versions only rise. Pure.
 *
 * *Taking back* is for a base that one router tried and did not bear: all that the former one said, word for word, is said
 * again. What is declared has not changed, so nothing may be published after it until a person looked (the halt).
 *
 * *Rolling back* is an operator's: tenants are placed as that version placed them. Only that comes back. Cells, registered
 * tenants, pins and generations are the registry's, and rules are the fleet file's; a base that said otherwise would be undone by the
 * next one, or would undo what tenants rely on. So a version that places tenants on a cell that no longer takes any is refused.
 */
import {
  type Cell,
  canonicalJson,
  type Parsed,
  parsed,
  problem,
  refused,
  type TopologyBase,
  type UnsignedTopologyBase,
} from '@cellplane/contract'
import { diffBases } from '@cellplane/core'
import { baseWithTable, type TableChoice } from './base-with-table.ts'
import { isSameTable } from './former-tables.ts'
import { tablesOf } from './plan-table.ts'

/** `now` in ms since the epoch. It is marked as forced: the one router that has the other base must take it whatever it moves. */
export function planTakeBack(
  current: TopologyBase,
  former: TopologyBase,
  epoch: number,
  now: number,
): UnsignedTopologyBase {
  const { signature: _signature, ...content } = former
  const version = current.version + 1
  return { ...content, epoch, version, issued_at: new Date(now).toISOString(), forced: true }
}

export type RollbackWish = TableChoice & {
  /** What to go back to. */
  old: TopologyBase
}

/** `kept`: in words, what differs from that version all the same. Refused with CONFLICT and what `baseWithTable` refuses. */
export function planRollback(wish: RollbackWish): Parsed<{ base: UnsignedTopologyBase; kept: string[] }> {
  const { cells, old, current } = wish
  const shape = (base: TopologyBase) => canonicalJson([base.hash, base.shard_size])
  if (shape(old) !== shape(current)) {
    const why = `version ${old.version} has another seed, number of buckets or shard size; going back to it would move nearly every tenant`
    return refused(problem('CONFLICT', 'path.version', why))
  }
  const [then, is] = [tablesOf(old), tablesOf(current)]
  if (!then.ok) return then
  if (!is.ok) return is
  const table = then.value.table
  if (isSameTable(table, is.value.table)) {
    const why = `version ${old.version} places tenants as version ${current.version} does, which is in force; what else differs comes from the registry and the fleet file`
    return refused(problem('CONFLICT', 'path.version', why))
  }
  const gone = cellsThatTakeNone(table, old, cells)
  if (gone.length > 0) {
    const why = `version ${old.version} places tenants on ${gone.join(', ')}; a cell that is retired does not come back, and one that drains is taken back by \`cell undrain\``
    return refused(problem('CONFLICT', 'path.version', why))
  }
  const base = baseWithTable(wish, table)
  return base.ok ? parsed({ base: base.value, kept: diffBases(old, base.value).lines }) : base
}

/** In words: cells of the table that are not active now. */
function cellsThatTakeNone(table: Uint16Array, old: TopologyBase, cells: readonly Cell[]): string[] {
  const bySlot = new Map(cells.map((cell) => [cell.slot, cell]))
  return [...new Set(table)]
    .sort((a, b) => a - b)
    .flatMap((slot) => {
      const cell = bySlot.get(slot)
      if (cell?.state === 'active') return []
      const id = cell?.id ?? old.cells.find((one) => one.slot === slot)?.id ?? `slot ${slot}`
      return [`"${id}" (${cell?.state ?? 'not registered'})`]
    })
}
