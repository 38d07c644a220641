/** The difference of two bases, for people (`topology diff`, the audit trail) and for checks of a change. */
import {
  decodeTable,
  FORMER_TABLES_MAX,
  type Override,
  type TopologyCell,
  type UnsignedTopologyBase,
} from '@cellplane/contract'

export type TopologyDiff = {
  cellsAdded: string[]
  cellsRemoved: string[]
  /** Also moves: a cell whose endpoint, zone, weight, role or release changed. `what` names the fields. */
  cellsChanged: { id: string; what: string[] }[]
  statesChanged: { id: string; before: TopologyCell['state']; after: TopologyCell['state'] }[]
  /** Buckets' claims on cells that they did not have before, and buckets with another home. Null: not comparable. */
  placement: { places: number; movedPlaces: number; buckets: number; movedHomes: number } | null
  overridesAdded: Override[]
  overridesRemoved: Override[]
  overridesChanged: { before: Override; after: Override }[]
  routesChanged: boolean
  /** Other top-level fields that differ, without version and time of issue. */
  fieldsChanged: string[]
  /** All of it in sentences; empty when nothing that routes differs. */
  lines: string[]
}

/** Fields that have their own part of the difference, or that differ in every document. */
const TOLD_APART = new Set([
  'version',
  'issued_at',
  'signature',
  'cells',
  'table',
  'former_tables',
  'overrides',
  'former_overrides',
  'routes',
])

export function diffBases(before: UnsignedTopologyBase, after: UnsignedTopologyBase): TopologyDiff {
  const cells = pairUp(before.cells, after.cells, (cell) => cell.id)
  const overrides = pairUp(before.overrides, after.overrides, (override) => override.tenant)
  const diff = {
    cellsAdded: cells.added.map((cell) => cell.id),
    cellsRemoved: cells.removed.map((cell) => cell.id),
    cellsChanged: cells.both.flatMap(({ before, after }) => {
      const what = changedFields(before, after).filter((field) => field !== 'state')
      return what.length > 0 ? [{ id: after.id, what }] : []
    }),
    statesChanged: cells.both
      .filter(({ before, after }) => before.state !== after.state)
      .map(({ before, after }) => ({ id: after.id, before: before.state, after: after.state })),
    placement: comparePlacement(before, after),
    overridesAdded: overrides.added,
    overridesRemoved: overrides.removed,
    overridesChanged: overrides.both.filter(({ before, after }) => !isEqual(before, after)),
    routesChanged: !isEqual(before.routes, after.routes),
    fieldsChanged: changedFields(before, after).filter((field) => !TOLD_APART.has(field)),
  }
  return { ...diff, lines: describe(diff, before, after) }
}

function comparePlacement(
  before: UnsignedTopologyBase,
  after: UnsignedTopologyBase,
): TopologyDiff['placement'] {
  const { hash, shard_size: shardSize } = after
  if (!isEqual(before.hash, hash) || before.shard_size !== shardSize) return null
  const tables = [before, after].map(({ table }) => decodeTable(table, hash.buckets, shardSize))
  const [old, now] = tables.map((table) => (table.ok ? table.value : null))
  if (!old || !now) return null
  let movedPlaces = 0
  let movedHomes = 0
  for (let start = 0; start < now.length; start += shardSize) {
    const row = old.subarray(start, start + shardSize)
    if (row[0] !== now[start]) movedHomes++
    for (const slot of now.subarray(start, start + shardSize)) if (!row.includes(slot)) movedPlaces++
  }
  return { places: now.length, movedPlaces, buckets: hash.buckets, movedHomes }
}

function describe(
  diff: Omit<TopologyDiff, 'lines'>,
  before: UnsignedTopologyBase,
  after: UnsignedTopologyBase,
): string[] {
  const formerCount = after.former_tables.length
  const lines = [
    ...diff.cellsAdded.map((id) => `cell ${id} is new`),
    ...diff.cellsRemoved.map((id) => `cell ${id} is gone`),
    ...diff.statesChanged.map((cell) => `cell ${cell.id}: ${cell.before} → ${cell.after}`),
    ...diff.cellsChanged.map((cell) => `cell ${cell.id}: other ${cell.what.join(', ')}`),
  ]
  if (diff.placement === null) {
    lines.push(
      'the tables cannot be compared: hash, buckets or shard size differ, so all tenants are placed anew',
    )
  } else if (diff.placement.movedPlaces + diff.placement.movedHomes > 0) {
    const { places, movedPlaces, buckets, movedHomes } = diff.placement
    lines.push(
      `${movedPlaces} of ${places} places move (${percent(movedPlaces / places)}), ${movedHomes} of ${buckets} homes (${percent(movedHomes / buckets)})`,
    )
  }
  lines.push(
    ...diff.overridesAdded.map((override) => `override for ${override.tenant}: new ${override.reason}`),
    ...diff.overridesRemoved.map(
      (override) => `override for ${override.tenant}: ${override.reason} taken off`,
    ),
    ...diff.overridesChanged.map(
      ({ before, after }) =>
        `override for ${after.tenant}: ${before.reason} ${before.cells.join('+')} → ${after.reason} ${after.cells.join('+')}`,
    ),
  )
  if (diff.routesChanged)
    lines.push(`routes: ${before.routes.length} → ${after.routes.length}, or other policies`)
  if (before.former_tables.length !== formerCount) {
    lines.push(
      `former tables kept: ${before.former_tables.length} → ${formerCount} of at most ${FORMER_TABLES_MAX}`,
    )
  }
  if (diff.fieldsChanged.length > 0) lines.push(`other ${diff.fieldsChanged.join(', ')}`)
  return lines
}

function pairUp<T>(before: readonly T[], after: readonly T[], keyOf: (item: T) => string) {
  const old = new Map(before.map((item) => [keyOf(item), item]))
  const now = new Map(after.map((item) => [keyOf(item), item]))
  return {
    added: after.filter((item) => !old.has(keyOf(item))),
    removed: before.filter((item) => !now.has(keyOf(item))),
    both: after.flatMap((item) => {
      const former = old.get(keyOf(item))
      return former === undefined ? [] : [{ before: former, after: item }]
    }),
  }
}

function changedFields<T extends object>(before: T, after: T): string[] {
  const fields = new Set([...Object.keys(before), ...Object.keys(after)]) as Set<string & keyof T>
  return [...fields].filter((field) => !isEqual(before[field], after[field]))
}

/** Both sides come from one schema, which fixes the order of the fields. */
function isEqual(a: unknown, b: unknown): boolean {
  return JSON.stringify(a) === JSON.stringify(b)
}

function percent(share: number): string {
  return `${(share * 100).toFixed(1)} %`
}
