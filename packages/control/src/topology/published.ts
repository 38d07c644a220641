/**
 * The published topology as this replica sees it: the two documents, in memory, with the snapshot to explain routes by.
 *
 * Every reader of the API is answered from here, so the topology is there when the store is not. A document gets in as
 * it gets into a router: through `acceptBase` and `acceptOverlay`, signature and age included. So a row that was
 * corrupted is refused here, and what is held stays.
 *
 * While a base is in its wave there are two: the newest, which is decided and which one router has, and the one before it,
 * for everybody else. Whoever decides takes the newest; whoever hands out documents asks for whom.
 */
import { createHash } from 'node:crypto'
import {
  formatProblems,
  type Parsed,
  parsed,
  problem,
  type TopologyBase,
  type TopologyOverlay,
  type TrustedKeys,
} from '@cellplane/contract'
import { acceptBase, acceptOverlay, type Snapshot } from '@cellplane/core'
import { createBell } from '../bell.ts'
import {
  BASES,
  CURRENT_KEY,
  OVERLAYS,
  type StoredWave,
  VERSIONS,
  versionKey,
  WAVE_KEY,
  WAVES,
} from '../store/collections.ts'
import { type StoreReader, StoreRowInvalid } from '../store/store.ts'

type DocumentVersion = { epoch: number; version: number }
export type HeldDocument = { epoch: number; version: number; issuedAt: string; text: string; etag: string }
/** The whole document too: the next one is planned from it. */
export type HeldBase = HeldDocument & { document: TopologyBase; snapshot: Snapshot }
/** A base that one router has; `held` is what the others have meanwhile. */
export type HeldWave = StoredWave & { held: HeldBase }
export type HeldOverlay = HeldDocument & { overlay: TopologyOverlay }

export type Published = ReturnType<typeof createPublished>

export function createPublished(keys: TrustedKeys, fleet: string) {
  let base: HeldBase | null = null
  let overlay: HeldOverlay | null = null
  let wave: HeldWave | null = null
  const changed = createBell()

  /** A document that is not newer than what is held is no news and no problem. */
  function isKnown(held: HeldDocument | null, found: DocumentVersion): boolean {
    return (
      held !== null &&
      (found.epoch < held.epoch || (found.epoch === held.epoch && found.version <= held.version))
    )
  }

  /** `begun`: the base is in its wave, and `former` is what the others have. Both are replaced at once, or neither. */
  function takeBase(text: string, begun: StoredWave | null = null, former = base): Parsed<HeldBase> {
    const accepted = acceptBase(base?.document ?? null, text, keys, fleet)
    if (!accepted.ok) return accepted
    wave = begun && former ? { ...begun, held: former } : null
    base = { ...held(text, accepted.value.document), ...accepted.value }
    changed.ring()
    return parsed(base)
  }

  function takeOverlay(text: string): Parsed<HeldOverlay> {
    if (!base) throw new Error('an overlay refines a base; none is held')
    const accepted = acceptOverlay(overlay?.overlay ?? null, text, keys, fleet, base.snapshot)
    if (!accepted.ok) return accepted
    overlay = { ...held(text, accepted.value), overlay: accepted.value }
    changed.ring()
    return parsed(overlay)
  }

  function endWave(): void {
    if (!wave) return
    wave = null
    changed.ring()
  }

  /**
   * The wave that this base is in, by the store. Throws StoreRowInvalid when what the others have is gone or cannot be read: to
   * show them the newest instead would be to skip the wave.
   */
  async function readWave(store: StoreReader, of: DocumentVersion): Promise<HeldWave | null> {
    const stored = await store.get(WAVES, WAVE_KEY)
    if (!stored || versionKey(stored.base) !== versionKey(of)) return null
    if (wave && versionKey(wave.base) === versionKey(of)) return wave
    const key = versionKey(stored.former)
    if (base && versionKey(base) === key) return { ...stored, held: base }
    try {
      const row = await store.get(BASES, key)
      if (!row) throw missing(key)
      const former = acceptBase(null, row.text, keys, fleet)
      if (!former.ok) throw invalid(BASES.table, key, former)
      return { ...stored, held: { ...held(row.text, former.value.document), ...former.value } }
    } catch (error) {
      throw error instanceof StoreRowInvalid ? invalidFormer(error, stored) : error
    }
  }

  /**
   * All is read before anything is taken: a base whose wave is not known yet would go to every router. A base that is
   * taken back loses its wave and its place as the newest at once, so one without a wave counts only if it still is the
   * newest after that was read; otherwise the next look finds what came instead.
   */
  async function refreshBase(store: StoreReader): Promise<void> {
    const before = base
    const head = await readHead(store)
    if (!head) return
    const isNews = !isKnown(before, head.value)
    const row = isNews ? await store.get(BASES, head.key) : undefined
    if (isNews && !row) throw missing(head.key)
    const found = await readWave(store, head.value)
    if (!found && (row || wave) && (await readHead(store))?.key !== head.key) return
    // This replica may have begun to lead meanwhile, and published.
    if (base !== before) return
    if (row) {
      const taken = takeBase(row.text, found, found?.held)
      if (!taken.ok) throw invalid(BASES.table, head.key, taken)
    } else if (!found) {
      // A store that does not have the base that is in its wave is an older copy, and says nothing of how the wave ended.
      if (!wave || head.key >= versionKey(wave.base)) endWave()
    } else if (found !== wave) {
      wave = found
      changed.ring()
    }
  }

  return {
    /** The newest. While it is watched at one router, the others have an older one. */
    base: (): HeldBase | null => base,
    wave: (): HeldWave | null => wave,
    /** What a router is to have; without its name, what all but one have. */
    baseFor: (router?: string): HeldBase | null => (wave && router !== wave.canary ? wave.held : base),
    endWave,
    /** Whose documents are believed. They change when keys are replaced. */
    keys,
    overlay: (): HeldOverlay | null => overlay,
    /** Rings when either document was replaced. */
    changed,
    takeBase,
    takeOverlay,
    /** Takes what the store has newer. Throws StoreRowInvalid for a row that is corrupt or that a router would refuse. */
    async refresh(store: StoreReader): Promise<void> {
      await refreshBase(store)
      const stored = await store.get(OVERLAYS, CURRENT_KEY)
      if (base && stored && !isKnown(overlay, stored)) {
        const taken = takeOverlay(stored.text)
        if (!taken.ok) throw invalid(OVERLAYS.table, CURRENT_KEY, taken)
      }
    },
  }
}

async function readHead(store: StoreReader) {
  const newest = await store.list(VERSIONS, { order: 'descending', limit: 1 })
  if (newest.invalid[0]) throw new StoreRowInvalid(newest.invalid[0])
  return newest.rows[0]
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

function missing(key: string): StoreRowInvalid {
  return new StoreRowInvalid({
    ...{ table: BASES.table, key },
    problems: [problem('NOT_FOUND', '', 'the row is missing')],
  })
}

/** Every router but one has that base on its disk, so that no backup is needed. */
function invalidFormer({ row }: StoreRowInvalid, { base, canary }: StoredWave): StoreRowInvalid {
  const why =
    `base ${base.version} is in its wave, and this is the one before it, which all routers but "${canary}" have: nothing is ` +
    'published until it is back; base.json of the state_dir of one of those, put into publish_dir, repairs the row'
  return new StoreRowInvalid({ ...row, problems: [problem('CONFLICT', '', why), ...row.problems] })
}
