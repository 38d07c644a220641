/**
 * Former overrides: cells that a tenant had by name (by a pin since taken off, say) and has no more, kept as long as ids or
 * work may refer to them.
 *
 * No former table knows such a cell: it was the tenant's and not its bucket's. Without this, taking a pin off would turn the
 * records that were made under it into 404.
 *
 * The quarantine cell is one of them, for who was let out: it answered for the tenant, and is in its shard no more.
 *
 * What was ever published counts and nothing else, so they come out of two bases: what the base before said of a tenant and
 * the next one does not. A pin that came and went between two bases was never routed by.
 *
 * A tenant has one entry: its cells side by side, newest first, all kept as long as the newest. One that is kept too long costs
 * room; one that is forgotten too early costs records. When there is no room left the change waits, as with former tables; only who
 * was let out of quarantine is then not taken up.
 */
import {
  FORMER_OVERRIDE_CELLS_MAX,
  FORMER_OVERRIDES_MAX,
  type FormerOverride,
  type Override,
  type Parsed,
  parsed,
  problem,
  refused,
} from '@cellplane/contract'

/** A tenant that was let out of quarantine, and when (ISO 8601). */
export type Released = { tenant: string; at: string }

export type FormerOverridesWish = {
  /** Those of the base before. */
  former: readonly FormerOverride[]
  /** Overrides of the base before, and of the next. */
  before: readonly Override[]
  next: readonly Override[]
  /** Of a stateless fleet: who left the quarantine cell lately, until when that is remembered, and which cell it is. */
  released: readonly { tenant: string; until: string; cell: number }[]
  /** Whether the slot's cell may still answer: a retired one never does again. */
  mayAnswer: (slot: number) => boolean
  /** How long what is replaced now is kept, ISO 8601. */
  until: string
  /** ms since the epoch. */
  now: number
}

/** By tenant. Refused with FORMER_OVERRIDES_FULL. */
export function keepFormerOverrides(wish: FormerOverridesWish): Parsed<FormerOverride[]> {
  const { former, before, next, released, mayAnswer, until, now } = wish
  const replaced = differing(before, next)
  const concerned = new Set([...former, ...replaced, ...released].map(({ tenant }) => tenant))
  const current = new Map(
    next.filter(({ tenant }) => concerned.has(tenant)).map(({ tenant, cells }) => [tenant, cells]),
  )
  const kept = new Map<string, FormerOverride>()
  /** `cells` are newer than what is kept of the tenant already. */
  const keep = (tenant: string, cells: readonly number[], keptUntil: string) => {
    const has = current.get(tenant) ?? []
    const older = kept.get(tenant)?.cells ?? []
    const all = [...new Set([...cells, ...older])].filter((slot) => !has.includes(slot) && mayAnswer(slot))
    if (all.length > 0) kept.set(tenant, { tenant, cells: all, until: keptUntil })
    else kept.delete(tenant)
  }
  for (const one of former) if (Date.parse(one.until) > now) keep(one.tenant, one.cells, one.until)
  for (const { tenant, cells } of replaced) {
    const has = current.get(tenant)
    if (!cells.every((slot) => has?.includes(slot))) keep(tenant, cells, until)
  }
  for (const { tenant, until: left, cell } of released) {
    const older = kept.get(tenant)
    const isKnown = older?.cells.includes(cell) ?? false
    // Automation lets tenants out, and nobody is there to wait: a base that is refused for it would hold up everything else.
    const isFull = older ? older.cells.length >= FORMER_OVERRIDE_CELLS_MAX : kept.size >= FORMER_OVERRIDES_MAX
    if (Date.parse(left) <= now || (isFull && !isKnown)) continue
    keep(tenant, isKnown ? [] : [cell], older && older.until > left ? older.until : left)
  }
  const all = [...kept.values()].sort((a, b) => (a.tenant < b.tenant ? -1 : 1))
  const long = all.find(({ cells }) => cells.length > FORMER_OVERRIDE_CELLS_MAX)
  if (long) {
    return full(
      `tenant "${long.tenant}" had ${long.cells.length} cells by name that may still hold something of it, and ${FORMER_OVERRIDE_CELLS_MAX} are kept; wait until ${long.until}, pin it to cells that it had, or lower cells.retention_hours`,
    )
  }
  if (all.length > FORMER_OVERRIDES_MAX) {
    const soonest = all.map((one) => one.until).sort()[0]
    return full(
      `${all.length} tenants had cells by name that may still hold something of them, and ${FORMER_OVERRIDES_MAX} are kept; wait until ${soonest}, change fewer pins, or lower cells.retention_hours`,
    )
  }
  return parsed(all)
}

/**
 * Overrides of `before` among which all are that `next` does not have as they are. Both come in the store's order, so what is
 * alike at both ends is most of it: 100,000 overrides are not looked up one by one for a single pin.
 */
function differing(before: readonly Override[], next: readonly Override[]): readonly Override[] {
  const isAlike = (a: Override | undefined, b: Override | undefined) =>
    a !== undefined &&
    a.tenant === b?.tenant &&
    a.cells.length === b.cells.length &&
    a.cells.every((slot, i) => slot === b.cells[i])
  let start = 0
  while (isAlike(before[start], next[start])) start++
  let end = 0
  while (end < before.length - start && isAlike(before.at(-1 - end), next.at(-1 - end))) end++
  return before.slice(start, before.length - end)
}

function full(why: string): Parsed<never> {
  return refused(problem('FORMER_OVERRIDES_FULL', 'former_overrides', why))
}
