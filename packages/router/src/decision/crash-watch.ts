/**
 * Tells a crash of a cell from a single request that failed, and hands those who were under way there to core, which
 * judges whose requests crash cells.
 *
 *     (a connection breaks with a request on it) ──▶ gathering ──(50 ms)──▶ asking ──▶ a crash, or not
 *
 * When a process dies, all its connections break together; so whoever breaks while the first break is looked into was
 * under way at the same moment. Nothing is kept for a request that does not fail: the requests of a plain day pay nothing
 * for this. It was a crash when afterwards nothing listens there. That all connections broke is not enough: a proxy before
 * the cell that resets what it is sent looks the same, and its outage must not have tenants suspended. So a crash behind
 * something that holds the port is not seen here; the control plane sees its errors.
 *
 * A suspended tenant is sent to the quarantine cell, or refused where there is none that could serve it: see
 * `buildRoutingView`. Upgraded connections and callers without a key are not looked at: the first have no one request
 * that could be blamed, the second share an address.
 */
import { setTimeout as delay } from 'node:timers/promises'
import {
  CRASH_POLICY,
  type CrashPolicy,
  createCrashSuspects,
  type Suspension,
} from '@cellplane/core/data-plane'
import type { Cell } from '../cells/cell.ts'
import { refusesConnections } from '../cells/refuses-connections.ts'
import { monotonicNow } from '../clock.ts'
import type { Logger } from '../log.ts'
import type { FailureReason } from '../serve/failure.ts'
import type { Tenant } from './tenants.ts'

/** A tenant with requests under way at crashes of cells. */
export type ChargedAtCells = {
  tenant: string
  isSuspended: boolean
  /** `agoMs`: how long ago; `sentMsBefore`: how long before it the tenant's last request was sent. */
  crashes: { slot: number; agoMs: number; sentMsBefore: number }[]
}

/** A request that broke, and may have crashed its cell. */
export type BrokenRequest = {
  /** It was answered elsewhere: it crashes nothing. */
  clear(): void
}

type FailedAttempt = {
  readonly cell: Cell
  /** Ms, on the router's clock. */
  readonly startedAt: number
}

export type CrashWatch = {
  /** Null unless a connection broke under the request, and its caller has a key. */
  attemptFailed(attempt: FailedAttempt, tenant: Tenant, why: FailureReason): BrokenRequest | null
  /** It was under way at a crash not long ago. */
  isSuspect(tenant: Tenant): boolean
  /** Another set whenever it changes. */
  readonly suspended: ReadonlySet<string>
  readonly suspensions: readonly Suspension[]
  /** Since the process started. */
  readonly suspensionCount: number
  /** Those with the most crashes, at most `max`, the suspended ones first. */
  charged(max: number): ChargedAtCells[]
  /** Lets time pass: suspensions end. */
  tick(): void
  stop(): void
}

/** The breaks of one crash are read within a few turns of the loop; this leaves room for a busy machine. */
const GATHER_MS = 50

/** A port on the same network answers in less than a millisecond. Whatever does not answer is not known to have crashed. */
const ASK_TIMEOUT_MS = 1_000

/** Tenants of one crash; more than this break only where single requests break one after the other. */
const GATHERED_MAX = 1_024

/** Crashes whose place is remembered. */
const PLACES_MAX = 1_024

type Episode = {
  readonly suspects: Map<string, { requests: number; sentAt: number }>
  /** When the first connection broke. */
  readonly beganAt: number
  broken: number
  /** Core's name of the crash; undefined before it was judged, null when it was none. */
  crash: number | null | undefined
  judgedAt: number
}

export type CrashWatchOptions = {
  log: Logger
  /** Called when the suspended are others than before. */
  onChange(): void
  policy?: CrashPolicy
}

export function createCrashWatch({ log, onChange, policy = CRASH_POLICY }: CrashWatchOptions): CrashWatch {
  const judge = createCrashSuspects(policy)
  /** The last one of each cell. */
  const episodes = new WeakMap<Cell, Episode>()
  const stopping = new AbortController()
  /** Where and when each crash of the window was, by core's name of it, the oldest first. */
  const places = new Map<number, { slot: number; at: number }>()
  let suspensionCount = 0

  function begin(cell: Cell): Episode {
    const episode: Episode = {
      suspects: new Map(),
      beganAt: monotonicNow(),
      broken: 0,
      crash: undefined,
      judgedAt: 0,
    }
    episodes.set(cell, episode)
    void conclude(cell, episode)
    return episode
  }

  async function conclude(cell: Cell, episode: Episode): Promise<void> {
    await delay(GATHER_MS, undefined, { signal: stopping.signal }).catch(() => {})
    const isGone = await refusesConnections(cell.pool.origin, ASK_TIMEOUT_MS, stopping.signal)
    if (stopping.signal.aborted) return
    episode.judgedAt = monotonicNow()
    if (isGone) record(cell, episode)
    else episode.crash = null
  }

  function record(cell: Cell, episode: Episode): void {
    cell.counters.crashes++
    const suspects = [...episode.suspects]
      .map(([tenant, { requests, sentAt }]) => ({
        tenant,
        requests,
        sentAt,
        sentMsBefore: Math.max(0, episode.beganAt - sentAt),
      }))
      .sort((a, b) => b.sentAt - a.sentAt)
    const before = judge.suspended
    const { crash, suspended } = judge.recordCrash(suspects, monotonicNow())
    episode.crash = crash
    remember(crash, { slot: cell.slot, at: episode.beganAt })
    log.warn('cell crashed with requests under way', {
      cell: cell.id,
      requests: episode.broken,
      suspects: suspects.length,
    })
    if (suspended) {
      suspensionCount++
      log.warn('tenant suspended: its requests were under way at several crashes', {
        tenant_id: suspended.tenant,
        cell: cell.id,
        crashes: suspended.crashes,
        for_ms: Math.round(suspended.until - monotonicNow()),
      })
    }
    if (judge.suspended !== before) onChange()
  }

  function remember(crash: number, place: { slot: number; at: number }): void {
    places.set(crash, place)
    for (const [known, { at }] of places) {
      if (places.size <= PLACES_MAX && place.at - at < policy.windowMs) return
      places.delete(known)
    }
  }

  function clear(episode: Episode, tenant: string): void {
    if (episode.crash === null) return
    if (episode.crash === undefined) {
      const suspect = episode.suspects.get(tenant)
      if (suspect && --suspect.requests === 0) episode.suspects.delete(tenant)
      return
    }
    const before = judge.suspended
    judge.clearRequest(episode.crash, tenant)
    if (judge.suspended !== before) onChange()
  }

  return {
    attemptFailed({ cell, startedAt }, tenant, why) {
      if (why !== 'broken' || !tenant.isTenant || stopping.signal.aborted) return null
      const last = episodes.get(cell)
      // Under way at that crash, and late to be noticed; a request that was sent afterwards tells of another one.
      if (typeof last?.crash === 'number' && startedAt < last.judgedAt) return null
      const episode = last && last.crash === undefined ? last : begin(cell)
      episode.broken++
      const known = episode.suspects.get(tenant.key)
      if (!known && episode.suspects.size >= GATHERED_MAX) return null
      episode.suspects.set(tenant.key, {
        requests: (known?.requests ?? 0) + 1,
        sentAt: Math.max(known?.sentAt ?? 0, startedAt),
      })
      return { clear: () => clear(episode, tenant.key) }
    },
    isSuspect: (tenant) => tenant.isTenant && judge.isSuspect(tenant.key),
    get suspended() {
      return judge.suspended
    },
    get suspensions() {
      return judge.suspensions
    },
    get suspensionCount() {
      return suspensionCount
    },
    charged(max) {
      const now = monotonicNow()
      return judge.charged(max).map(({ tenant, suspension, charges }) => ({
        tenant,
        isSuspended: suspension !== null,
        crashes: charges.flatMap(({ crash, sentMsBefore }) => {
          const place = places.get(crash)
          return place ? { slot: place.slot, agoMs: now - place.at, sentMsBefore } : []
        }),
      }))
    },
    tick() {
      const released = judge.tick(monotonicNow())
      for (const tenant of released) log.info('tenant no longer suspended', { tenant_id: tenant })
      if (released.length > 0) onChange()
    },
    stop: () => stopping.abort(),
  }
}
