/**
 * Follows the topology: from disk at start, then from the control plane by polling and push, and from an object store where that is
 * configured: instead of the control plane, or while it does not answer.
 *
 * Whatever comes is offered to what is held (`held-topology.ts`), and kept on disk once it was taken. What the serving thread
 * does for a document takes as long as there are cells in it; the rest is read aside.
 *
 * One loop does all fetching, one pass at a time. A pass asks for the base, then the overlay, both conditionally. News
 * comes from the push, and from cells that answer 421. A large base is read for seconds, an object store may take minutes to
 * answer, and news of health waits for neither: the pass goes on, and passes that come meanwhile leave alone what is under way.
 */
import { problem } from '@cellplane/contract'
import { monotonicNow } from '../clock.ts'
import { FETCH_WAITS, type FetchWaits, fetchDocument } from './fetch-document.ts'
import { createHeldTopology, type HeldTopologyOptions, type Topology } from './held-topology.ts'
import type { LastGood } from './last-good.ts'
import type { StoreReaderOptions } from './object-store.ts'
import {
  createStoreSource,
  type FollowedStore,
  type StoreSource,
  type StoreState,
} from './object-store-source.ts'
import { startPassLoop } from './pass-loop.ts'
import { isLate } from './patience.ts'
import { type Chunks, type DocumentKind, TOPOLOGY_UNREADABLE } from './read-document.ts'
import { createSaving } from './saving.ts'
import { followTopologyEvents } from './topology-events.ts'

export type { Topology } from './held-topology.ts'

/** `url`: its base. */
export type ControlPlane = { url: string; bearerToken: string }

export type FollowerOptions = HeldTopologyOptions & {
  /** Null where there is an object store and nothing else. */
  controlPlane: ControlPlane | null
  objectStore?: FollowedStore | undefined
  /** This process’s name in reports. */
  router: string
  lastGood: LastGood
  pollMs: number
  bytesMax: number
  fetching?: FetchWaits | undefined
  /** Ends the reading of the disk, and with it the follower. Once the disk was read only `stop` ends it. */
  startSignal?: AbortSignal | undefined
}

export type TopologyFollower = {
  /** Null until a base was accepted. */
  readonly current: Topology | null
  /** When the control plane last answered, ms since the epoch; null before it did. */
  readonly controlPlaneSeenAt: number | null
  /** Null where none is configured. */
  readonly objectStore: Readonly<StoreState> | null
  /** Asks for news now, at most once a second, and resolves when there is an answer or a second is over. */
  refresh(): Promise<void>
  stop(): Promise<void>
}

/**
 * `isHeld`: the document of that answer is the current one. Only then does a later "unchanged" confirm it. `forgetAt`: when
 * its ETag is forgotten, so that a document that could not be read is tried once more, on the router's clock.
 */
type LastAnswer = { etag: string | null; isHeld: boolean; forgetAt: number }

/**
 * What a document says does not change, but whether it can be read may: a machine has more memory and time at night. A
 * document that takes all of its reader's two minutes keeps one processor busy for two thirds of the time.
 */
const UNREADABLE_RETRY_MS = 60_000

const NEVER = Number.POSITIVE_INFINITY

/** Resolves when the disk was read, or no longer is; the network is asked from then on, and never waited for. */
export async function startTopologyFollower(options: FollowerOptions): Promise<TopologyFollower> {
  const { lastGood, refusals, log, controlPlane } = options
  const stopping = new AbortController()
  const held = createHeldTopology(options, stopping.signal)
  const saving = createSaving(lastGood, log)
  const startedAt = monotonicNow()
  let controlPlaneSeenAt: number | null = null
  const answers: Record<DocumentKind, LastAnswer> = {
    base: { etag: null, isHeld: false, forgetAt: NEVER },
    overlay: { etag: null, isHeld: false, forgetAt: NEVER },
  }
  /** Resolves to whether a newer one is current. */
  let baseUnderWay: Promise<boolean> | null = null
  /** Kinds that the control plane did not give the last time; said once in the log, not at every poll. */
  const unavailable = new Set<DocumentKind>()
  const objectStore = options.objectStore ? sourceOf(options.objectStore) : null
  let storeDueAt = 0

  async function confirmOverlay(): Promise<void> {
    const now = monotonicNow()
    held.confirmOverlay(now)
    // Here and not at every pass: the file's time says when it was confirmed, and a later one would lengthen its TTL.
    await saving.retry('overlay', now)
  }

  async function readDisk(kind: DocumentKind): Promise<void> {
    try {
      const file = await lastGood.read(kind)
      if (!file) return
      // A file from the future (the clock was set back) must not keep its health marks alive.
      await held.offer(kind, file.chunks, 'disk', Math.min(file.writtenAt, monotonicNow()))
    } catch (error) {
      refusals.add(kind, 'disk', [problem(TOPOLOGY_UNREADABLE, '', (error as Error).message)])
    }
  }

  async function readLastGood(): Promise<void> {
    const onAbort = () => stopping.abort()
    if (options.startSignal?.aborted) onAbort()
    options.startSignal?.addEventListener('abort', onAbort)
    await readDisk('base')
    if (held.current) await readDisk('overlay')
    options.startSignal?.removeEventListener('abort', onAbort)
  }

  async function ask(kind: DocumentKind, { url, bearerToken }: ControlPlane): Promise<void> {
    const last = answers[kind]
    const fetched = await fetchDocument({
      url: `${url}/v1/topology/${kind}`,
      bearerToken,
      router: options.router,
      etag: last.forgetAt <= monotonicNow() ? null : last.etag,
      bytesMax: options.bytesMax,
      waits: options.fetching ?? FETCH_WAITS,
      signal: stopping.signal,
    })
    if (stopping.signal.aborted) return
    if (fetched.kind === 'unavailable') return noteUnavailable(kind, fetched.why)
    controlPlaneSeenAt = monotonicNow()
    unavailable.delete(kind)
    if (fetched.kind === 'unchanged') {
      if (kind === 'overlay' && last.isHeld) await confirmOverlay()
      return
    }
    const { etag } = fetched
    if (fetched.kind === 'too-large') {
      const message = `the document has more than ${options.bytesMax} bytes and was not read to its end`
      refusals.add(kind, 'origin', [problem('TOPOLOGY_TOO_LARGE', '', message)])
      answers[kind] = { etag, isHeld: false, forgetAt: NEVER }
      return
    }
    const result = await held.offer(kind, fetched.chunks, 'origin', monotonicNow())
    if (stopping.signal.aborted && result !== 'taken') return
    const forgetAt = result === 'unreadable' ? monotonicNow() + UNREADABLE_RETRY_MS : NEVER
    answers[kind] = { etag, isHeld: result === 'taken' || result === 'held', forgetAt }
    if (result === 'held' && kind === 'overlay') await confirmOverlay()
    if (result === 'taken') await keep(kind, fetched.chunks)
  }

  function keep(kind: DocumentKind, chunks: Chunks): Promise<void> {
    const confirmedAt = kind === 'overlay' ? held.current?.overlayConfirmedAt : undefined
    return saving.keep(kind, chunks, confirmedAt ?? monotonicNow())
  }

  function noteUnavailable(kind: DocumentKind, why: string): void {
    if (!unavailable.has(kind)) log.warn('the control plane cannot be asked; routing goes on', { why })
    unavailable.add(kind)
  }

  async function askBase(asked: ControlPlane): Promise<boolean> {
    const before = held.current?.snapshot
    await ask('base', asked)
    baseUnderWay = null
    return held.current?.snapshot !== before
  }

  async function askControlPlane(asked: ControlPlane): Promise<void> {
    const base = baseUnderWay ?? askBase(asked)
    baseUnderWay = base
    if (await isLate(base, stopping.signal)) {
      // Its overlay may be asked for only now.
      void base.then((isNew) => isNew && loop.wake())
    }
    if (held.current) await ask('overlay', asked)
  }

  /** Without a control plane at every pass. Beside one while it gives no base: at once if there is none, or else after a while. */
  function isStoreDue({ pollMs, afterMs }: FollowedStore): boolean {
    if (!controlPlane) return true
    const now = monotonicNow()
    const isMissed = !held.current || now - (controlPlaneSeenAt ?? startedAt) >= afterMs
    if (!unavailable.has('base') || !isMissed || now < storeDueAt) return false
    storeDueAt = now + pollMs
    return true
  }

  function sourceOf({ access }: FollowedStore): StoreSource {
    const reading: StoreReaderOptions = {
      access,
      fleet: options.fleet,
      bytesMax: options.bytesMax,
      waits: options.fetching ?? FETCH_WAITS,
      retryMs: UNREADABLE_RETRY_MS,
      signal: stopping.signal,
      held: (kind) => (kind === 'base' ? held.current?.snapshot.base : held.current?.overlay) ?? null,
      refuse: (kind, problems) => refusals.add(kind, 'object-store', problems),
      async offer(kind, document) {
        const result = await held.offer(kind, document, 'object-store', monotonicNow())
        if (result === 'taken') {
          // The control plane's last answer is the current document no more, so that "unchanged" confirms nothing.
          answers[kind] = { etag: null, isHeld: false, forgetAt: NEVER }
          await keep(kind, document)
          // It may have come after its look, which then left its overlay alone.
          if (kind === 'base') loop.wake()
        }
        return result
      },
    }
    return createStoreSource(reading, log)
  }

  async function pass(): Promise<void> {
    // What could not be written before; also while the control plane is gone, when a restart needs the file most.
    await saving.retry('base')
    if (controlPlane) await askControlPlane(controlPlane)
    if (options.objectStore && objectStore && isStoreDue(options.objectStore))
      await isLate(objectStore.look(), stopping.signal)
  }

  await readLastGood()
  const loop = startPassLoop(pass, options.pollMs, stopping.signal)
  const events =
    controlPlane &&
    followTopologyEvents({
      url: `${controlPlane.url}/v1/topology/events`,
      bearerToken: controlPlane.bearerToken,
      router: options.router,
      log,
      signal: stopping.signal,
      onNews: loop.wake,
    })

  return {
    get current() {
      return held.current
    },
    get controlPlaneSeenAt() {
      return controlPlaneSeenAt
    },
    objectStore: objectStore?.state ?? null,
    refresh: loop.refresh,
    async stop() {
      stopping.abort()
      await Promise.all([loop.ended, baseUnderWay, objectStore?.idle(), events])
    },
  }
}
