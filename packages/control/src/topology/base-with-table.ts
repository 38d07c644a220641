/** The next base with a table that somebody chose (a rollback, a rebalancing) in place of the one that placement would give. Pure. */
import type { Parsed, TopologyBase, UnsignedTopologyBase } from '@cellplane/contract'
import { type BaseContent, baseOf } from './plan-base.ts'
import { formerTablesWith, tablesOf } from './plan-table.ts'

export type TableChoice = BaseContent & { current: TopologyBase }

/** Slots, of the same hash and shard size as `current`. Refused with FORMER_TABLES_FULL, FORMER_OVERRIDES_FULL and those of `compileBase`. */
export function baseWithTable(choice: TableChoice, table: Uint16Array): Parsed<UnsignedTopologyBase> {
  const is = tablesOf(choice.current)
  if (!is.ok) return is
  const former = formerTablesWith(choice, is.value, table)
  return former.ok ? baseOf(choice, table, former.value) : former
}
