/**
 * The blast radius of each base that is published: no cell and no pair carries more than the budget, and what moves is
 * accounted for by the cells that came or went. Written anew here, from what the budget says, not from how the control plane checks it.
 *
 * A base that says that it was forced is believed in what somebody answers for, and in nothing else: an entry of the audit trail,
 * which no other base has used, names the kinds of excess; what it does not name is checked as ever. One that was taken back says
 * word for word what was published before, and was judged then.
 */
import type { Budget, TopologyBase } from '@cellplane/contract'
import { canonicalJson, decodeTable } from '@cellplane/contract'
import { blastRadius } from '@cellplane/core'

/** An entry of the audit trail by which somebody forced a change: what names it for good, and what it says. */
export type Force = { id: string; subject: string }

export type RadiusPolicy = {
  budget: Budget
  /** Whether an operator asked for this placement; it may move what no cell that came or went accounts for. */
  isRolledBack(base: TopologyBase): boolean
  /** What stands in the audit trail now, oldest first. */
  forces(): readonly Force[]
  /** How often the store was made an older copy. */
  restores(): number
}

/** The ideal here knows no zones, which forbid a third of all pairs; so a pair may have this many times the budget's factor. */
const PAIR_ZONES_FACTOR = 2
/** Which cells meet in a bucket is left to chance: of some hundred pairs none is so many standard deviations above its share. */
const PAIR_CHANCE_DEVIATIONS = 4

/** Kinds of excess, by the words in which the audit trail tells them. */
const KINDS = {
  cell: /cell "[^"]+" would (have|be touched by) /,
  pair: /cells \S+ and \S+ would be all /,
  moved: / of all places move |every tenant is placed anew/,
}
type Kind = keyof typeof KINDS

/** `check` is to be called with each base in the order of versions. */
export function createRadiusCheck(violate: (message: string) => void) {
  /** What bases have said so far. */
  const said = new Set<string>()
  const used = new Set<string>()
  let before: TopologyBase | null = null
  let restoresSeen = 0

  function check(base: TopologyBase, policy: RadiusPolicy): void {
    const former = before
    before = base
    const restores = policy.restores()
    const isOlderStore = restores !== restoresSeen
    restoresSeen = restores
    const content = contentOf(base)
    const isRepeated = said.has(content)
    said.add(content)
    if (base.forced && isRepeated) return
    const force = base.forced ? takeForce(policy) : undefined
    if (base.forced && !force) {
      // The entry may have gone with what the store forgot a moment ago.
      if (!isOlderStore) violate(`base ${base.version} is forced, and nobody answers for it`)
      return
    }
    const isForced = (kind: Kind) => force !== undefined && KINDS[kind].test(force.subject)
    const table = tableOf(base)
    checkStanding(base, table, policy, isForced)
    if (former && !isForced('moved')) checkMoved(former, base, table, policy)
  }

  /** The newest that no base has used. */
  function takeForce(policy: RadiusPolicy): Force | undefined {
    const force = policy.forces().findLast(({ id }) => !used.has(id))
    if (force) used.add(force.id)
    return force
  }

  function checkStanding(
    base: TopologyBase,
    table: Uint16Array,
    { budget }: RadiusPolicy,
    isForced: (kind: Kind) => boolean,
  ): void {
    const placed = base.cells.filter((cell) => cell.state === 'active' && cell.role === 'serving')
    const radius = blastRadius({ table, shardSize: base.shard_size, cells: base.cells }, null, base.hash, [])
    const touched = radius.worst_cell?.tenants_touched ?? 0
    if (!isForced('cell') && touched > budget.cell_factor * radius.ideal.cell_touched) {
      violate(
        `base ${base.version}: ${radius.worst_cell?.cells[0]} touches ${touched} of the tenants; the budget is ${budget.cell_factor} × ${radius.ideal.cell_touched}`,
      )
    }
    const pairFactor = PAIR_ZONES_FACTOR * budget.pair_factor
    const lost = radius.worst_pair?.tenants_lost ?? 0
    const pairShare = Math.min(1, pairFactor * radius.ideal.pair_lost)
    const chance = PAIR_CHANCE_DEVIATIONS * Math.sqrt((pairShare * (1 - pairShare)) / base.hash.buckets)
    if (!isForced('pair') && placed.length > base.shard_size && lost > pairShare + chance) {
      violate(
        `base ${base.version}: the pair ${radius.worst_pair?.cells.join(', ')} carries ${lost} of the tenants; the budget is ${pairFactor} × ${radius.ideal.pair_lost}, and what chance may add`,
      )
    }
  }

  function checkMoved(
    former: TopologyBase,
    base: TopologyBase,
    table: Uint16Array,
    policy: RadiusPolicy,
  ): void {
    const slotsOf = (one: TopologyBase) =>
      new Set(one.cells.filter((c) => c.state === 'active' && c.role === 'serving').map((c) => c.slot))
    const [old, now] = [slotsOf(former), slotsOf(base)]
    const changed = old.symmetricDifference(now).size
    const formerTable = tableOf(former)
    if (formerTable.length !== table.length) return
    let moved = 0
    for (let i = 0; i < table.length; i++) if (table[i] !== formerTable[i]) moved++
    const share = moved / table.length
    // Places change their order within a row when the home goes; a row counts as moved by the cells that are new in it.
    // A store that is an older copy may place as it did some bases ago: no more than the budget, and nobody can know better.
    const isSame = changed === 0 && former.epoch === base.epoch && !policy.isRolledBack(base)
    const needed = Math.max(changed / Math.min(old.size, now.size), shareGained(formerTable, table))
    const allowed = isSame ? 0 : needed + policy.budget.moved_share
    const newcomers = countNewcomers(formerTable, table, base.shard_size) / table.length
    if (newcomers > allowed) {
      violate(
        `base ${base.version} moves ${(newcomers * 100).toFixed(1)} % of the places for ${changed} cells (${(share * 100).toFixed(1)} % with changes of order)`,
      )
    }
  }

  return { check }
}

/** All that it says, but for its number, its date, who signed it and whether it was forced. */
function contentOf(base: TopologyBase): string {
  const { epoch: _e, version: _v, issued_at: _i, signature: _s, forced: _f, ...content } = base
  return canonicalJson(content)
}

function tableOf(base: TopologyBase): Uint16Array {
  const table = decodeTable(base.table, base.hash.buckets, base.shard_size)
  if (!table.ok) throw new Error('a published table cannot be read')
  return table.value
}

/** What cells have more of than before: the same cells may carry other loads in an older table. */
function shareGained(before: Uint16Array, next: Uint16Array): number {
  const gained = new Map<number, number>()
  for (const slot of next) gained.set(slot, (gained.get(slot) ?? 0) + 1)
  for (const slot of before) gained.set(slot, (gained.get(slot) ?? 0) - 1)
  return [...gained.values()].reduce((sum, count) => sum + Math.max(0, count), 0) / next.length
}

/** Places whose cell was not in their row before. */
function countNewcomers(before: Uint16Array, next: Uint16Array, size: number): number {
  let count = 0
  for (let start = 0; start < next.length; start += size) {
    const old = before.subarray(start, start + size)
    for (let i = 0; i < size; i++) if (!old.includes(next[start + i]!)) count++
  }
  return count
}
