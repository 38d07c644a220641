/** The next base with a table that somebody chose (a rollback, a rebalancing) in place of the one that placement would give. Pure. */
import type { Cell, Override, Parsed, TopologyBase, UnsignedTopologyBase } from '@cellplane/contract'
import type { FleetFile } from '@cellplane/contract/fleet-file'
import { compileBase } from '@cellplane/core'
import type { Released } from './former-overrides.ts'
import { isSameTable, keepFormerTables } from './former-tables.ts'
import { formerOverridesOf, tokenPolicyOf } from './plan-base.ts'
import { MS_PER_HOUR, tablesOf } from './plan-table.ts'

export type TableChoice = {
  fleet: FleetFile
  /** The whole registry. */
  cells: readonly Cell[]
  overrides: readonly Override[]
  released: readonly Released[]
  current: TopologyBase
  epoch: number
  /** ms since the epoch. */
  now: number
}

/** Slots, of the same hash and shard size as `current`. Refused with FORMER_TABLES_FULL, FORMER_OVERRIDES_FULL and those of `compileBase`. */
export function baseWithTable(choice: TableChoice, table: Uint16Array): Parsed<UnsignedTopologyBase> {
  const { fleet, cells, overrides, current, epoch, now } = choice
  const is = tablesOf(current)
  if (!is.ok) return is
  const until = new Date(now + fleet.cells.retention_hours * MS_PER_HOUR).toISOString()
  const replaced = isSameTable(is.value.table, table)
    ? null
    : { version: current.version, until, table: is.value.table }
  const former = keepFormerTables(is.value.former, replaced, table, current.shard_size, now)
  if (!former.ok) return former
  const formerOverrides = formerOverridesOf(choice)
  if (!formerOverrides.ok) return formerOverrides
  return compileBase({
    fleet,
    cells,
    table,
    formerTables: former.value,
    overrides,
    formerOverrides: formerOverrides.value,
    tokens: tokenPolicyOf(fleet),
    epoch,
    version: current.version + 1,
    issuedAt: new Date(now).toISOString(),
  })
}
