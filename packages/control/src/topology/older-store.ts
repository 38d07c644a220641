/**
 * Whether the store is an older copy of itself, by those who were told what it once held: a backup that was restored, or a
 * standby that lacked the last commits.
 *
 * Nothing is handed out before it is stored. So who holds a newer document than the store's newest, or another one of the
 * same version, has what the store forgot. Inside the epoch the forgotten versions would be given a second time, to other
 * content, and whoever has the first would refuse the second; so a new epoch begins. A document of an epoch before this
 * one says nothing: it is refused by nobody any more, whatever its version.
 *
 * `recover.ts` asks it of what the replica itself has, file and memory; `leader/epoch-claims.ts` of what routers and hosts report.
 */
import { AUTOMATION, recordChange } from '../audit/audit.ts'
import { SETTINGS, SETTINGS_KEY } from '../store/collections.ts'
import type { StoreWriter } from '../store/store.ts'

type Version = { epoch: number; version: number }

/** The signature stands for the content; undefined where it is not known. */
export type DocumentVersion = Version & { signature?: string | undefined }

/** What somebody has. `who`, in words: `router "a"`. */
export type HeldElsewhere = {
  who: string
  kind: 'base' | 'overlay' | 'order'
  held: DocumentVersion
  /** The newest that the store knows; undefined when it has none. */
  known: DocumentVersion | undefined
}

/** The newest one that the store forgot since this epoch began; undefined when it forgot nothing. */
export function findForgotten(all: Iterable<HeldElsewhere>, epoch: number): HeldElsewhere | undefined {
  let found: HeldElsewhere | undefined
  for (const one of all) {
    if (one.held.epoch < epoch || !isForgotten(one.held, one.known)) continue
    if (isNewer(one.held, found?.held)) found = one
  }
  return found
}

export function describeForgotten({ who, kind, held, known }: HeldElsewhere): string {
  const version = `(epoch ${held.epoch}, version ${held.version})`
  if (!isNewer(held, known)) {
    return `${who} has another ${kind} of ${version} than the store: that version was given twice, as the store is an older copy`
  }
  const newest = known ? `(epoch ${known.epoch}, version ${known.version})` : 'none'
  return `${who} has the ${kind} of ${version}, the store knows ${newest}: it is an older copy`
}

/** In the transaction of whatever has to begin with it. */
export async function beginEpoch(
  writer: StoreWriter,
  { fleet, epoch, reason, now }: { fleet: string; epoch: number; reason: string; now: number },
): Promise<void> {
  await writer.put(SETTINGS, SETTINGS_KEY, { fleet, epoch })
  const change = { actor: AUTOMATION, action: 'epoch.begin', subject: `epoch ${epoch}`, reason }
  await recordChange(writer, change, now)
}

export function isNewer(one: Version, other: Version | undefined): boolean {
  if (!other) return true
  return one.epoch > other.epoch || (one.epoch === other.epoch && one.version > other.version)
}

/** Newer than what the store knows, or of that version with other content. */
export function isForgotten(held: DocumentVersion, known: DocumentVersion | undefined): boolean {
  if (!known || isNewer(held, known)) return true
  if (isNewer(known, held)) return false
  return held.signature !== undefined && known.signature !== undefined && held.signature !== known.signature
}

/** What a signed document is known by. */
export function versionOf(document: Version & { signature: { value: string } }): DocumentVersion {
  const { epoch, version, signature } = document
  return { epoch, version, signature: signature.value }
}
