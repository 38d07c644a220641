/**
 * The published topology as this replica sees it: the two documents, in memory, with the snapshot to explain routes by.
 *
 * Every reader of the API is answered from here, so the topology is there when the store is not. A document gets in as
 * it gets into a router: through `acceptBase` and `acceptOverlay`, signature and age included. So a row that was
 * corrupted is refused here, and what is held stays.
 */
import { createHash } from 'node:crypto'
import {
  formatProblems,
  type Parsed,
  parsed,
  type TopologyOverlay,
  type TrustedKeys,
} from '@cellplane/contract'
import { acceptBase, acceptOverlay, type Snapshot } from '@cellplane/core'
import { createBell } from '../bell.ts'
import { BASES, CURRENT_KEY, OVERLAYS, VERSIONS } from '../store/collections.ts'
import { type StoreReader, StoreRowInvalid } from '../store/store.ts'

export type HeldDocument = { epoch: number; version: number; issuedAt: string; text: string; etag: string }
export type HeldBase = HeldDocument & { snapshot: Snapshot }
export type HeldOverlay = HeldDocument & { overlay: TopologyOverlay }

export type Published = ReturnType<typeof createPublished>

export function createPublished(keys: TrustedKeys, fleet: string) {
  let base: HeldBase | null = null
  let overlay: HeldOverlay | null = null
  const changed = createBell()

  /** A document that is not newer than what is held is no news and no problem. */
  function isKnown(held: HeldDocument | null, found: { epoch: number; version: number }): boolean {
    return (
      held !== null &&
      (found.epoch < held.epoch || (found.epoch === held.epoch && found.version <= held.version))
    )
  }

  function takeBase(text: string): Parsed<HeldBase> {
    const snapshot = acceptBase(base?.snapshot ?? null, text, keys, fleet)
    if (!snapshot.ok) return snapshot
    base = { ...held(text, snapshot.value.base), snapshot: snapshot.value }
    changed.ring()
    return parsed(base)
  }

  function takeOverlay(text: string): Parsed<HeldOverlay> {
    if (!base) throw new Error('an overlay refines a base; none is held')
    const accepted = acceptOverlay(overlay?.overlay ?? null, base.snapshot, text, keys)
    if (!accepted.ok) return accepted
    overlay = { ...held(text, accepted.value), overlay: accepted.value }
    changed.ring()
    return parsed(overlay)
  }

  return {
    base: (): HeldBase | null => base,
    overlay: (): HeldOverlay | null => overlay,
    /** Rings when either document was replaced. */
    changed,
    takeBase,
    takeOverlay,
    /** Takes what the store has newer. Throws StoreRowInvalid for a row that is corrupt or that a router would refuse. */
    async refresh(store: StoreReader): Promise<void> {
      const newest = await store.list(VERSIONS, { order: 'descending', limit: 1 })
      if (newest.invalid[0]) throw new StoreRowInvalid(newest.invalid[0])
      const head = newest.rows[0]
      if (head && !isKnown(base, head.value)) {
        const row = await store.get(BASES, head.key)
        const taken: Parsed<unknown> = row
          ? takeBase(row.text)
          : { ok: false, problems: [{ code: 'NOT_FOUND', path: '', message: 'the row is missing' }] }
        if (!taken.ok) throw invalid(BASES.table, head.key, taken)
      }
      const stored = await store.get(OVERLAYS, CURRENT_KEY)
      if (base && stored && !isKnown(overlay, stored)) {
        const taken = takeOverlay(stored.text)
        if (!taken.ok) throw invalid(OVERLAYS.table, CURRENT_KEY, taken)
      }
    },
  }
}

function held(text: string, document: { epoch: number; version: number; issued_at: string }): HeldDocument {
  const { epoch, version, issued_at: issuedAt } = document
  return { epoch, version, issuedAt, text, etag: etagOf(text) }
}

/** A strong entity tag (RFC 9110 §8.8.3): the same for the same bytes, on every replica and after every restart. */
export function etagOf(text: string): string {
  return `"${createHash('sha256').update(text).digest('base64url')}"`
}

function invalid(
  table: string,
  key: string,
  refusal: Extract<Parsed<unknown>, { ok: false }>,
): StoreRowInvalid {
  const { problems } = refusal
  return Object.assign(new StoreRowInvalid({ table, key, problems }), { cause: formatProblems(problems) })
}
