/**
 * What a store that is an older copy gets back from a base that was published after it: where tenants are.
 *
 * A store knows more than a base says (hosts, databases, the audit trail), so this is no backup. But what it can give is
 * what must not be decided a second time. Without its table the next placement would begin from an older one or, if there
 * is none, from whichever cells happen to be ready first; and a stateful tenant that was registered since would be given
 * another home, so that two cells accept its work at the same generation.
 */
import type { TopologyBase } from '@cellplane/contract'
import { inState } from '../registry/plan-lifecycle.ts'
import {
  BASES,
  CELLS,
  OVERRIDES,
  type StoredCell,
  TENANTS,
  VERSIONS,
  versionKey,
} from '../store/collections.ts'
import { intact, type StoreWriter } from '../store/store.ts'

/** `text`: the base, signed, as it was published. Returns, in words, what was taken. */
export async function takeFromBase(
  writer: StoreWriter,
  base: TopologyBase,
  text: string,
  now: number,
): Promise<string> {
  const registered = new Map(intact(await writer.list(CELLS)).map((stored) => [stored.cell.slot, stored]))
  const unknown = base.cells.filter(({ slot, id }) => registered.get(slot)?.cell.id !== id)
  const homes = await takeHomes(writer, base, registered)
  // A table is no help to a registry that lacks its cells: they would be placed anew one by one.
  if (unknown.length > 0) return `${homes}; it does not know ${unknown.map(({ id }) => id).join(', ')}`
  for (const { slot, state, endpoints } of base.cells) {
    const stored = registered.get(slot)!
    if (stored.cell.state === state) continue
    const cell = { ...inState(stored.cell, state, now), endpoint: endpoints.http }
    await writer.put(CELLS, cell.id, { ...stored, cell })
  }
  const { epoch, version, issued_at } = base
  const key = versionKey(base)
  const reason = 'taken from what was published: the store is an older copy'
  await writer.put(BASES, key, { epoch, version, text })
  const bytes = Buffer.byteLength(text)
  await writer.put(VERSIONS, key, { epoch, version, issued_at, reason, actor: 'control plane', bytes })
  return `${homes}; tenants stay where that base has them`
}

async function takeHomes(
  writer: StoreWriter,
  base: TopologyBase,
  registered: ReadonlyMap<number, StoredCell>,
): Promise<string> {
  const overrides = (await writer.list(OVERRIDES)).rows
  const generations = new Map(overrides.map(({ key, value }) => [key, value.generation]))
  let taken = 0
  let lost = 0
  for (const override of base.overrides) {
    if (override.generation <= (generations.get(override.tenant) ?? 0)) continue
    if (!override.cells.every((slot) => registered.has(slot))) {
      lost++
      continue
    }
    const tenant = await writer.get(TENANTS, override.tenant)
    await writer.put(OVERRIDES, override.tenant, override)
    await writer.put(TENANTS, override.tenant, { requests: 0, ...tenant, is_registered: true })
    taken++
  }
  if (taken + lost === 0) return ''
  return `; ${taken} homes are taken back, ${lost} are in cells that the store does not know`
}
