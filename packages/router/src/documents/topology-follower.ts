/**
 * Follows the topology: from disk at start, then from the control plane by polling and push.
 *
 * It holds one immutable value, the current topology, and swaps it; whoever routes reads the reference and waits for
 * nothing. A document is taken whole or refused whole (core decides); a refusal is counted and changes nothing else. What
 * the serving thread does for a document takes as long as there are cells in it; the rest is read aside.
 *
 * One loop does all fetching, one pass at a time. A pass asks for the base, then the overlay, both conditionally. News
 * comes from the push, and from cells that answer 421. A large base is read for seconds, and news of health does not wait
 * for it: the pass goes on to the overlay, and passes that come meanwhile leave the base alone.
 */
import { setTimeout as delay } from 'node:timers/promises'
import {
  type Problem,
  problem,
  TOPOLOGY_KEY_UNKNOWN,
  type TopologyOverlay,
  type TrustedKeys,
} from '@cellplane/contract'
import { guardedBase, type HeldBase, openSnapshot, type Snapshot } from '@cellplane/core/data-plane'
import { monotonicNow } from '../clock.ts'
import type { Logger } from '../log.ts'
import { type ReaderLimits, readDocumentAside } from './document-reader.ts'
import { FETCH_WAITS, type FetchWaits, fetchDocument } from './fetch-document.ts'
import type { LastGood } from './last-good.ts'
import { startPassLoop } from './pass-loop.ts'
import { type Chunks, type DocumentKind, TOPOLOGY_UNREADABLE } from './read-document.ts'
import type { DocumentSource, Refusals } from './refusals.ts'
import { followTopologyEvents } from './topology-events.ts'

export type Topology = {
  readonly snapshot: Snapshot
  readonly overlay: TopologyOverlay | null
  /** When the overlay was last said to be the current one, ms since the epoch; what its TTL counts from. */
  readonly overlayConfirmedAt: number
}

export type FollowerOptions = {
  /** Base URL of the control plane. */
  url: string
  bearerToken: string
  /** This process’s name in reports. */
  router: string
  fleet: string
  trustedKeys: TrustedKeys
  lastGood: LastGood
  refusals: Refusals
  pollMs: number
  bytesMax: number
  reading: ReaderLimits
  fetching?: FetchWaits | undefined
  log: Logger
  /** Called after every accepted document and every confirmation, with what is current from now on. */
  onTopology(topology: Topology): void
  /** Ends the reading of the disk, and with it the follower. Once the disk was read only `stop` ends it. */
  startSignal?: AbortSignal | undefined
}

export type TopologyFollower = {
  /** Null until a base was accepted. */
  readonly current: Topology | null
  /** When the control plane last answered, ms since the epoch; null before it did. */
  readonly controlPlaneSeenAt: number | null
  /** Asks the control plane now, at most once a second, and resolves when it answered or a second is over. */
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

/**
 * How long a pass waits for a base, which is as long as anybody waits for a pass. A small one is there in milliseconds, and
 * the overlay after it.
 */
const BASE_PATIENCE_MS = 1_000

/** What may be taken later as it is: a process with more room reads it, or its key comes to be trusted. */
const REFUSED_FOR_NOW: ReadonlySet<string> = new Set([TOPOLOGY_UNREADABLE, TOPOLOGY_KEY_UNKNOWN])

const NEVER = Number.POSITIVE_INFINITY

/** Resolves when the disk was read, or no longer is; the network is asked from then on, and never waited for. */
export async function startTopologyFollower(options: FollowerOptions): Promise<TopologyFollower> {
  const { lastGood, refusals, log } = options
  const stopping = new AbortController()
  let current: Topology | null = null
  let controlPlaneSeenAt: number | null = null
  const answers: Record<DocumentKind, LastAnswer> = {
    base: { etag: null, isHeld: false, forgetAt: NEVER },
    overlay: { etag: null, isHeld: false, forgetAt: NEVER },
  }
  /** Resolves to whether a newer one is current. */
  let baseUnderWay: Promise<boolean> | null = null
  /** Kinds that could not be had the last time; said once in the log, not at every poll. */
  const unavailable = new Set<DocumentKind>()
  /** What is current and not yet on disk: a full disk is tried again, or a restart would find an old document. */
  const unsaved = new Map<DocumentKind, Chunks>()
  /** Kinds whose last write failed; said once in the log. */
  const unwritable = new Set<DocumentKind>()

  function adopt(topology: Topology): void {
    options.onTopology(topology)
    current = topology
  }

  async function confirmOverlay(): Promise<void> {
    if (current) adopt({ ...current, overlayConfirmedAt: monotonicNow() })
    // Here and not at every pass: the file's time says when it was confirmed, and a later one would lengthen its TTL.
    await save('overlay')
  }

  /** `taken`: it is new and current now; `held`: it was current already. */
  async function offer(
    kind: DocumentKind,
    document: Chunks,
    source: DocumentSource,
    receivedAt: number,
  ): Promise<'taken' | 'held' | 'refused' | 'unreadable'> {
    const problems = kind === 'base' ? await offerBase(document) : await offerOverlay(document, receivedAt)
    if (problems.length === 0) return 'taken'
    const { code } = problems[0]!
    if (code === 'TOPOLOGY_UNCHANGED') return 'held'
    // One that is not read to its end because the router stops is no fault of anybody's.
    if (!stopping.signal.aborted) refusals.add(kind, source, problems)
    return REFUSED_FOR_NOW.has(code) ? 'unreadable' : 'refused'
  }

  async function offerBase(document: Chunks): Promise<Problem[]> {
    const held = current && { ...current.snapshot.base, guarded: guardedBase(current.snapshot) }
    const base = await read('base', document, held)
    if (!base.ok) return base.problems
    const { epoch, version } = base.value.base
    const problems = tryAdopt(() => ({
      snapshot: openSnapshot(base.value),
      overlay: current?.overlay ?? null,
      overlayConfirmedAt: current?.overlayConfirmedAt ?? 0,
    }))
    if (problems.length === 0) log.info('topology base accepted', { epoch, version })
    return problems
  }

  async function offerOverlay(document: Chunks, receivedAt: number): Promise<Problem[]> {
    const overlay = await read('overlay', document, current?.overlay ?? null)
    if (!overlay.ok) return overlay.problems
    return tryAdopt(() => ({
      snapshot: current!.snapshot,
      overlay: overlay.value,
      overlayConfirmedAt: receivedAt,
    }))
  }

  function read<K extends DocumentKind>(kind: K, document: Chunks, held: HeldBase | null) {
    const { fleet, trustedKeys: keys, reading } = options
    return readDocumentAside({ kind, held, keys, fleet }, document, stopping.signal, reading)
  }

  /** Core does not throw for any document. Should what follows it, that document is refused like any other. */
  function tryAdopt(topology: () => Topology): Problem[] {
    try {
      adopt(topology())
      return []
    } catch (error) {
      return [problem('TOPOLOGY_UNUSABLE', '', `it could not be used: ${(error as Error).message}`)]
    }
  }

  async function readDisk(kind: DocumentKind): Promise<void> {
    try {
      const file = await lastGood.read(kind)
      if (!file) return
      // A file from the future (the clock was set back) must not keep its health marks alive.
      await offer(kind, file.chunks, 'disk', Math.min(file.writtenAt, monotonicNow()))
    } catch (error) {
      refusals.add(kind, 'disk', [problem(TOPOLOGY_UNREADABLE, '', (error as Error).message)])
    }
  }

  async function readLastGood(): Promise<void> {
    const onAbort = () => stopping.abort()
    if (options.startSignal?.aborted) onAbort()
    options.startSignal?.addEventListener('abort', onAbort)
    await readDisk('base')
    if (current) await readDisk('overlay')
    options.startSignal?.removeEventListener('abort', onAbort)
  }

  async function ask(kind: DocumentKind): Promise<void> {
    const last = answers[kind]
    const fetched = await fetchDocument({
      url: `${options.url}/v1/topology/${kind}`,
      bearerToken: options.bearerToken,
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
    const result = await offer(kind, fetched.chunks, 'origin', monotonicNow())
    if (stopping.signal.aborted && result !== 'taken') return
    const forgetAt = result === 'unreadable' ? monotonicNow() + UNREADABLE_RETRY_MS : NEVER
    answers[kind] = { etag, isHeld: result === 'taken' || result === 'held', forgetAt }
    if (result === 'held' && kind === 'overlay') await confirmOverlay()
    if (result === 'taken') {
      unsaved.set(kind, fetched.chunks)
      await save(kind)
    }
  }

  async function save(kind: DocumentKind): Promise<void> {
    const chunks = unsaved.get(kind)
    if (!chunks) return
    try {
      await lastGood.write(kind, chunks)
      unsaved.delete(kind)
      unwritable.delete(kind)
    } catch (error) {
      if (unwritable.has(kind)) return
      unwritable.add(kind)
      log.error(
        'the last good document could not be written; a restart without the control plane would use an older one',
        {
          document: kind,
          why: (error as Error).message,
        },
      )
    }
  }

  function noteUnavailable(kind: DocumentKind, why: string): void {
    if (!unavailable.has(kind)) log.warn('the control plane cannot be asked; routing goes on', { why })
    unavailable.add(kind)
  }

  async function askBase(): Promise<boolean> {
    const before = current?.snapshot
    // One that failed before; also while the control plane is gone, when a restart needs the file most.
    await save('base')
    await ask('base')
    baseUnderWay = null
    return current?.snapshot !== before
  }
  async function pass(): Promise<void> {
    const base = baseUnderWay ?? askBase()
    baseUnderWay = base
    if (await isLate(base, stopping.signal)) {
      // Its overlay may be asked for only now.
      void base.then((isNew) => isNew && loop.wake())
    }
    if (current) await ask('overlay')
  }

  await readLastGood()
  const loop = startPassLoop(pass, options.pollMs, stopping.signal)
  const events = followTopologyEvents({
    url: `${options.url}/v1/topology/events`,
    bearerToken: options.bearerToken,
    router: options.router,
    log,
    signal: stopping.signal,
    onNews: loop.wake,
  })

  return {
    get current() {
      return current
    },
    get controlPlaneSeenAt() {
      return controlPlaneSeenAt
    },
    refresh: loop.refresh,
    async stop() {
      stopping.abort()
      await Promise.all([loop.ended, baseUnderWay, events])
    },
  }
}

/** Whether the pass goes on without the base. */
async function isLate(base: Promise<boolean>, signal: AbortSignal): Promise<boolean> {
  const waited = new AbortController()
  const patience = delay(BASE_PATIENCE_MS, true, { signal: AbortSignal.any([signal, waited.signal]) })
  const late = await Promise.race([base.then(() => false), patience.catch(() => true)])
  waited.abort()
  return late
}
