/**
 * Whether the store is an older copy of itself, by those who were told what it once held: a backup that was restored, or a
 * standby that lacked the last commits.
 *
 * Nothing is handed out before it is stored. So a router that holds a newer document than the store's newest, or a host
 * that obeys a newer order, has what the store forgot. Inside the epoch the forgotten versions would be given a second time,
 * to other content, and whoever has the first would refuse the second; so a new epoch begins.
 *
 * `recover.ts` asks the same of what the replica itself has, file and memory, and sooner. This is the witness when that is
 * old as well: a replica that was away while the others published, on an empty disk, or an order, of which it keeps no copy.
 */
import { AUTOMATION, recordChange } from '../audit/audit.ts'
import { SETTINGS, SETTINGS_KEY } from '../store/collections.ts'
import type { StoreWriter } from '../store/store.ts'

type DocumentVersion = { epoch: number; version: number }

/** What somebody reports to hold. `who`, in words: `router "a"`. */
export type HeldElsewhere = {
  who: string
  kind: 'base' | 'overlay' | 'order'
  held: DocumentVersion
  /** The newest that the store knows; undefined when it has none. */
  known: DocumentVersion | undefined
}

/** The newest one that the store forgot, by epoch; undefined when it forgot nothing. */
export function findForgotten(all: Iterable<HeldElsewhere>): HeldElsewhere | undefined {
  let found: HeldElsewhere | undefined
  for (const one of all) {
    if (isNewer(one.held, one.known) && (!found || one.held.epoch > found.held.epoch)) found = one
  }
  return found
}

export function describeForgotten({ who, kind, held, known }: HeldElsewhere): string {
  const newest = known ? `(epoch ${known.epoch}, version ${known.version})` : 'none'
  return `${who} has the ${kind} of (epoch ${held.epoch}, version ${held.version}), the store knows ${newest}: it is an older copy`
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

export function isNewer(one: DocumentVersion, other: DocumentVersion | undefined): boolean {
  if (!other) return true
  return one.epoch > other.epoch || (one.epoch === other.epoch && one.version > other.version)
}
