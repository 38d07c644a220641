/**
 * What a store that is an older copy gets back from a base that was published after it: where tenants are.
 *
 * A store knows more than a base says (hosts, databases, the audit trail), so this is no backup. But what it can give is
 * what must not be decided a second time. Without its table the next placement would begin from an older one or, if there
 * is none, from whichever cells happen to be ready first; and a stateful tenant that was registered since would be given
 * another home, so that two cells accept its work at the same generation. A pin that the store does not know comes back too.
 *
 * A cell is known when the store has its id in its slot. A slot alone says nothing: the store may have given it to another
 * cell since, and a home there would be a home that never was.
 */
import type { TopologyBase } from '@cellplane/contract'
import { inState } from '../registry/plan-lifecycle.ts'
import {
  BASES,
  CELLS,
  OVERRIDES,
  TENANTS,
  VERSIONS,
  versionKey,
  WAVE_KEY,
  WAVES,
} from '../store/collections.ts'
import { intact, StoreRowInvalid, type StoreWriter } from '../store/store.ts'
import type { HeldWave } from './published.ts'

/** A base as it was published, `text` with its signature; `wave` while one router has it, and the others the one before it. */
export type TakenBase = { document: TopologyBase; text: string; wave: HeldWave | null }

/** Returns, in words, what was taken. */
export async function takeFromBase(
  writer: StoreWriter,
  { document: base, text, wave }: TakenBase,
  now: number,
): Promise<string> {
  const registered = new Map(intact(await writer.list(CELLS)).map((stored) => [stored.cell.slot, stored]))
  const isKnown = ({ slot, id }: { slot: number; id: string }) => registered.get(slot)?.cell.id === id
  const known = new Set(base.cells.filter(isKnown).map(({ slot }) => slot))
  const homes = await takeHomes(writer, base, known)
  // A table is no help to a registry that lacks its cells: they would be placed anew one by one.
  if (known.size < base.cells.length) {
    const unknown = base.cells.filter((cell) => !isKnown(cell)).map(({ id }) => id)
    return `${homes}; it does not know ${unknown.join(', ')}`
  }
  for (const { slot, state, endpoints } of base.cells) {
    const stored = registered.get(slot)!
    if (stored.cell.state === state) continue
    const cell = { ...inState(stored.cell, state, now), endpoint: endpoints.http }
    await writer.put(CELLS, cell.id, { ...stored, cell })
  }
  await takeBase(writer, base, text)
  // Else the next look at the store would show all routers what one of them is still watched with.
  if (wave) {
    const { held, ...begun } = wave
    await takeBase(writer, held.document, held.text)
    await writer.put(WAVES, WAVE_KEY, begun)
  }
  return `${homes}; tenants stay where that base has them`
}

async function takeBase(writer: StoreWriter, base: TopologyBase, text: string): Promise<void> {
  const { epoch, version, issued_at } = base
  const key = versionKey(base)
  const reason = 'taken from what was published: the store is an older copy'
  await writer.put(BASES, key, { epoch, version, text })
  const bytes = Buffer.byteLength(text)
  await writer.put(VERSIONS, key, { epoch, version, issued_at, reason, actor: 'control plane', bytes })
}

/** `known`: slots of the base's cells that the store has as the base has them. */
async function takeHomes(
  writer: StoreWriter,
  base: TopologyBase,
  known: ReadonlySet<number>,
): Promise<string> {
  const overrides = (await writer.list(OVERRIDES)).rows
  const generations = new Map(overrides.map(({ key, value }) => [key, value.generation]))
  let taken = 0
  let lost = 0
  let unreadable = 0
  for (const override of base.overrides) {
    const { tenant, generation, cells } = override
    // A pin without a home has generation 0.
    if (generation <= (generations.get(tenant) ?? -1)) continue
    if (!cells.every((slot) => known.has(slot))) {
      lost++
      continue
    }
    taken++
    await writer.put(OVERRIDES, tenant, override)
    if (generation === 0) continue
    const row = await writer.get(TENANTS, tenant).catch((error: unknown) => {
      if (!(error instanceof StoreRowInvalid)) throw error
      unreadable++
      return undefined
    })
    await writer.put(TENANTS, tenant, { requests: 0, ...row, is_registered: true })
  }
  if (taken + lost === 0) return ''
  const replaced = unreadable > 0 ? ` (${unreadable} rows of tenants could not be read and are replaced)` : ''
  return `; ${taken} homes and pins are taken back${replaced}, ${lost} are in cells that the store does not know`
}
