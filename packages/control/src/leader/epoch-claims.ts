/**
 * What routers and hosts say that they have, and the epoch that begins when the store turns out to have forgotten it
 * (`topology/older-store.ts`). They are the witness when the replica itself is old as well: one that was away while the
 * others published, on an empty disk, or of orders, of which it keeps no copy.
 *
 * A report is not signed, and an epoch is for good. So a claim is believed within limits, and beyond them it is told to
 * a person: one process with a wrong number must not use up the epochs, nor begin one with each report, which would take
 * every base past its wave.
 */
import type { HostOrder } from '@cellplane/contract'
import type { Observations } from '../health/observations.ts'
import { CLAIM, CLAIM_KEY } from '../store/collections.ts'
import type { Store } from '../store/store.ts'
import {
  beginEpoch,
  describeForgotten,
  findForgotten,
  type HeldElsewhere,
  versionOf,
} from '../topology/older-store.ts'
import type { Published } from '../topology/published.ts'

/** Epochs that a store may have forgotten. Each took a restored store or a lost row, so a copy from before so many is years old. */
export const EPOCHS_AHEAD_MAX = 16

/** From one epoch that was begun by a claim to the next. Who restores a store twice within it waits for the rest. */
export const CLAIMED_EPOCH_EVERY_MS = 600_000

export type EpochClaimsOptions = {
  store: Store
  published: Pick<Published, 'base' | 'overlay'>
  observations: {
    routers: Pick<Observations['routers'], 'held'>
    hosts: Pick<Observations['hosts'], 'obeyed'>
  }
  /** By host. */
  orders: ReadonlyMap<string, HostOrder>
  fleet: string
  /** Ms since the epoch. */
  now: () => number
}

export function createEpochClaims(options: EpochClaimsOptions) {
  const { store, published, observations, orders, fleet, now } = options

  function* heldElsewhere(): Iterable<HeldElsewhere> {
    const base = published.base()
    const overlay = published.overlay()
    const knownBase = base ? versionOf(base.document) : undefined
    const knownOverlay = overlay ? versionOf(overlay.overlay) : undefined
    for (const { router, base, overlay } of observations.routers.held()) {
      const who = `router "${router}"`
      if (base) yield { who, kind: 'base', held: base, known: knownBase }
      if (overlay) yield { who, kind: 'overlay', held: overlay, known: knownOverlay }
    }
    for (const { host, order } of observations.hosts.obeyed()) {
      const known = orders.get(host)
      if (order && known) yield { who: `host "${host}"`, kind: 'order', held: order, known }
    }
  }

  /** Throws when it would be too soon. */
  async function begin(forgotten: HeldElsewhere): Promise<number> {
    const epoch = forgotten.held.epoch + 1
    const reason = describeForgotten(forgotten)
    await store.write(async (writer) => {
      const last = await writer.get(CLAIM, CLAIM_KEY)
      const sinceMs = last ? now() - Date.parse(last.at) : Number.POSITIVE_INFINITY
      // A clock that was set back says nothing of how long ago it was.
      if (sinceMs >= 0 && sinceMs < CLAIMED_EPOCH_EVERY_MS) {
        const minutes = CLAIMED_EPOCH_EVERY_MS / 60_000
        throw new Error(
          `${reason}; no epoch begins for it yet, as one began for such a report at ${last!.at}, and one in ${minutes} minutes is believed; ` +
            'look whether it is right: if it is not, stop who says so',
        )
      }
      await beginEpoch(writer, { fleet, epoch, reason, now: now() })
      await writer.put(CLAIM, CLAIM_KEY, { at: new Date(now()).toISOString() })
    })
    return epoch
  }

  return {
    /** The epoch to publish in from now on: this one, or the one that begins. Throws, in words, for a claim beyond the limits. */
    async follow(epoch: number): Promise<number> {
      const claims = [...heldElsewhere()]
      const isCredible = ({ held }: HeldElsewhere) => held.epoch <= epoch + EPOCHS_AHEAD_MAX
      const forgotten = findForgotten(claims.filter(isCredible), epoch)
      if (forgotten) return begin(forgotten)
      const absurd = claims.find((claim) => !isCredible(claim))
      if (!absurd) return epoch
      const { who, kind, held } = absurd
      throw new Error(
        `${who} says that it has the ${kind} of epoch ${held.epoch}; this is epoch ${epoch}, and at most ${epoch + EPOCHS_AHEAD_MAX} is believed, so none begins; ` +
          'stop it and correct what it reports, or, if it is right, put the base.json of a router’s state_dir into publish_dir and start the control plane anew',
      )
    },
  }
}
