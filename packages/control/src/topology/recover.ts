/**
 * What a new leader does first: find out what was published last, from two witnesses, the store and the file.
 *
 * A document is stored before it is written to its file, so the file is never ahead by itself.
 *
 *   store and file agree, or the file is behind or unreadable  → the store is right
 *   the store's newest row is corrupt, the file has that version → the row is repaired from the file
 *   the file is ahead of the store, or what this process       → the store is an older copy (restored, or new): a new
 *   published or followed before is                              epoch begins, so that no router takes its versions for old ones;
 *                                                                where tenants are is taken from it (`take-from-base.ts`)
 *   the file has the store's version with other content        → a new epoch too: the version was given twice; nothing is taken
 *   what is ahead is of an epoch before the store's            → it says nothing: this epoch began for it, or later
 *   the store's row is corrupt and no file helps               → nothing is published until a person restored the row;
 *                                                                routers keep what they have
 *   a base is in its wave, and the row before it is corrupt      → the same: repaired from the file, which has that base until the
 *                                                                wave is over; or nothing is published
 *   the store's overlay is corrupt                             → a new epoch begins, as nobody knows which version routers
 *                                                                hold; its marks are the file's, or come from health alone
 */
import type { TopologyBase, TopologyOverlay, TrustedKeys } from '@cellplane/contract'
import { acceptBase, acceptOverlay } from '@cellplane/core'
import { AUTOMATION, recordChange } from '../audit/audit.ts'
import {
  BASES,
  CURRENT_KEY,
  OVERLAYS,
  SETTINGS,
  SETTINGS_KEY,
  VERSIONS,
  versionKey,
} from '../store/collections.ts'
import { type Store, StoreRowInvalid, type StoreWriter } from '../store/store.ts'
import {
  beginEpoch,
  type DocumentVersion,
  describeForgotten,
  findForgotten,
  type HeldElsewhere,
  isNewer,
  versionOf,
} from './older-store.ts'
import type { Published } from './published.ts'
import { takeFromBase } from './take-from-base.ts'

export type RecoverInput = {
  store: Store
  published: Published
  /** The file's text; undefined when there is none. */
  fileText: string | undefined
  overlayFileText: string | undefined
  keys: TrustedKeys
  fleet: string
  now: number
}

/** Leaves `published` with what the store says and returns the epoch to publish in. Throws StoreRowInvalid where nothing is published. */
export async function recoverTopology(input: RecoverInput): Promise<number> {
  const { store, published, fleet, now } = input
  const settings = await store.get(SETTINGS, SETTINGS_KEY)
  const files = readFiles(input)

  let lostOverlay: StoreRowInvalid | undefined
  try {
    await refreshBase(input, files.base)
  } catch (error) {
    if (!(error instanceof StoreRowInvalid) || error.row.table !== OVERLAYS.table) throw error
    lostOverlay = error
  }
  const epoch = settings?.epoch ?? 1
  const newest = (await store.list(VERSIONS, { order: 'descending', limit: 1 })).rows[0]?.value
  const held = published.base()
  const knownBase = signedAs(held?.document, newest)
  const knownOverlay = lostOverlay
    ? undefined
    : signedAs(published.overlay()?.overlay, await store.get(OVERLAYS, CURRENT_KEY))
  const forgotten = findForgotten(
    [
      ...witness('base', files.base, knownBase),
      ...witness('base', held?.document, knownBase),
      ...(lostOverlay ? [] : witness('overlay', files.overlay, knownOverlay)),
      ...(lostOverlay ? [] : witness('overlay', published.overlay()?.overlay, knownOverlay)),
    ],
    epoch,
  )
  const base = newerOf(files.base, held?.document)
  const overlay = newerOf(files.overlay, published.overlay()?.overlay)
  const nextEpoch =
    forgotten || lostOverlay ? Math.max(epoch, base?.epoch ?? 0, overlay?.epoch ?? 0) + 1 : epoch
  if (settings?.epoch !== nextEpoch) {
    await store.write(async (writer) => {
      // In the transaction that begins the epoch: a row repaired without it could have its version given twice.
      if (lostOverlay) await replaceOverlay(writer, input)
      const found =
        base === held?.document && held
          ? { ...held, wave: published.wave() }
          : base && { document: base, text: input.fileText!, wave: null }
      const isBaseForgotten = found && base && base.epoch >= epoch && isNewer(base, newest)
      const taken = isBaseForgotten ? await takeFromBase(writer, found, now) : ''
      const reason = lostOverlay
        ? `the overlay is replaced: ${lostOverlay.message}`
        : forgotten
          ? `${describeForgotten(forgotten)}${taken}`
          : 'the first start on this store'
      await beginEpoch(writer, { fleet, epoch: nextEpoch, reason, now })
    })
  }
  if (lostOverlay || forgotten) await published.refresh(store)
  return nextEpoch
}

async function refreshBase(input: RecoverInput, file: TopologyBase | undefined): Promise<void> {
  try {
    await input.published.refresh(input.store)
  } catch (error) {
    if (!(error instanceof StoreRowInvalid) || error.row.table !== BASES.table) throw error
    if (!file || versionKey(file) !== error.row.key) throw error
    await repair(input, error)
  }
}

function witness(
  kind: 'base' | 'overlay',
  document: TopologyBase | TopologyOverlay | undefined,
  known: DocumentVersion | undefined,
): HeldElsewhere[] {
  return document ? [{ who: 'this replica', kind, held: versionOf(document), known }] : []
}

/** What the store's row says, with its signature where that row was read as this document. */
function signedAs(
  document: TopologyBase | TopologyOverlay | undefined,
  row: { epoch: number; version: number } | undefined,
): DocumentVersion | undefined {
  const isRead = document && row && document.epoch === row.epoch && document.version === row.version
  return isRead ? versionOf(document) : row
}

function newerOf<T extends { epoch: number; version: number }>(a: T | undefined, b: T | undefined) {
  return a && isNewer(a, b) ? a : b
}

/** With the newest one that can be had, for its marks; it may be older than the lost one, and health corrects it. */
async function replaceOverlay(writer: StoreWriter, input: RecoverInput): Promise<void> {
  const { published, overlayFileText, keys, fleet } = input
  const text = published.overlay()?.text ?? overlayFileText
  const base = published.base()
  const isRefining = base !== null && text !== undefined
  const overlay = isRefining ? acceptOverlay(null, text, keys, fleet, base.snapshot) : undefined
  if (!overlay?.ok) return writer.remove(OVERLAYS, CURRENT_KEY)
  const { epoch, version } = overlay.value
  await writer.put(OVERLAYS, CURRENT_KEY, { epoch, version, text: text! })
}

/** The files are ours to trust only by their signatures, as they are anybody's. */
function readFiles(input: RecoverInput): { base?: TopologyBase; overlay?: TopologyOverlay } {
  const { fileText, overlayFileText, keys, fleet } = input
  if (fileText === undefined) return {}
  const base = acceptBase(null, fileText, keys, fleet)
  if (!base.ok) return {}
  const { document, snapshot } = base.value
  if (overlayFileText === undefined) return { base: document }
  const overlay = acceptOverlay(null, overlayFileText, keys, fleet, snapshot)
  return overlay.ok ? { base: document, overlay: overlay.value } : { base: document }
}

async function repair(input: RecoverInput, corrupt: StoreRowInvalid): Promise<void> {
  const { store, published, fileText, now } = input
  await store.write(async (writer) => {
    const { epoch, version } = JSON.parse(fileText!) as { epoch: number; version: number }
    await writer.put(BASES, corrupt.row.key, { epoch, version, text: fileText! })
    const reason = `repaired from the published file: ${corrupt.message}`
    await recordChange(
      writer,
      { actor: AUTOMATION, action: 'store.repair', subject: `${BASES.table} ${corrupt.row.key}`, reason },
      now,
    )
  })
  await published.refresh(store)
}
