/**
 * This process's shares of the limits that it has in common with other routers: held as the control plane last told
 * them, and put in force at the cells and tenants.
 *
 *     told ──▶ in force, for as long as it was told ──▶ rising ──▶ the whole limit
 *
 * What is not named is not divided: the whole limit holds. So it does before anything was told, and after a silence: a
 * router that hears nothing cannot know who else is there, and a limit that is too high for a while is better than a
 * service that stays at a fraction because nobody divides any more.
 */
import type { RouterShares } from '@cellplane/contract'
import { agedShare, shareFloor } from '@cellplane/core/data-plane'
import type { Cells } from '../cells/cells.ts'
import { monotonicNow } from '../clock.ts'
import type { Tenants } from './tenants.ts'

/** A minute: long enough for a control plane to restart or to be replaced while the limits are still close to divided. */
const RISE_MS = 60_000
/** A sixtieth of the way at a time is smooth enough, and seldom enough for thousands of shares. */
const RISE_STEP_MS = 1_000

export type SharesInForce = {
  /** Router processes that the limits are divided between, this one too. */
  routers: number
  /** Ms since the epoch. */
  toldAt: number
  cells: ReadonlyMap<number, number>
  tenants: ReadonlyMap<string, number>
}

export type LimitShares = {
  /** Null while all limits hold in whole, because nothing was told, or too long ago. */
  readonly inForce: SharesInForce | null
  /** Takes what the control plane tells, in place of all that it told before. */
  take(answer: RouterShares): void
  /** Lets time pass. */
  tick(): void
}

export type ShareHolders = { cells: Pick<Cells, 'setShares'>; tenants: Pick<Tenants, 'setShares'> }

export function createLimitShares({ cells, tenants }: ShareHolders, now = monotonicNow): LimitShares {
  let told: (SharesInForce & { heldMs: number }) | null = null
  let inForce: SharesInForce | null = null
  let stepAt = 0

  function putInForce(next: SharesInForce | null): void {
    inForce = next
    cells.setShares(next?.cells ?? new Map())
    tenants.setShares(next?.tenants ?? new Map())
  }

  return {
    get inForce() {
      return inForce
    },
    take(answer) {
      // It does not divide: a replica that does not lead, or one that does not know its routers yet.
      if (answer.valid_seconds === 0) return
      const floor = shareFloor(answer.routers)
      const atLeastFloor = (share: number) => Math.max(floor, share)
      told = {
        routers: answer.routers,
        toldAt: now(),
        heldMs: answer.valid_seconds * 1000,
        cells: new Map(answer.cells.map(({ slot, share }) => [slot, atLeastFloor(share)])),
        tenants: new Map(answer.tenants.map(({ tenant, share }) => [tenant, atLeastFloor(share)])),
      }
      putInForce(told)
    },
    tick() {
      if (!told) return
      const at = now()
      const ageMs = at - told.toldAt
      if (ageMs <= told.heldMs || at - stepAt < RISE_STEP_MS) return
      stepAt = at
      if (ageMs >= told.heldMs + RISE_MS) {
        told = null
        return putInForce(null)
      }
      const hold = { heldMs: told.heldMs, riseMs: RISE_MS }
      const aged = <Key>(shares: ReadonlyMap<Key, number>) =>
        new Map([...shares].map(([key, share]) => [key, agedShare(share, ageMs, hold)]))
      putInForce({ ...told, cells: aged(told.cells), tenants: aged(told.tenants) })
    },
  }
}
