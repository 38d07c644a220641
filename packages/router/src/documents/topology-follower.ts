/**
 * Follows the topology: from disk at start, then from the control plane by polling and push.
 *
 * It holds one immutable value, the current topology, and swaps it; whoever routes reads the reference and waits for
 * nothing. A document is taken whole or refused whole (core decides); a refusal is counted and changes nothing else.
 *
 * One loop does all fetching, one pass at a time. A pass asks for the base, then the overlay, both conditionally. News
 * comes from the push, and from cells that answer 421.
 */
import { type Problem, problem, type TopologyOverlay, type TrustedKeys } from '@cellplane/contract'
import { acceptBase, acceptOverlay, type Snapshot } from '@cellplane/core'
import { monotonicNow } from '../clock.ts'
import type { Logger } from '../log.ts'
import { fetchDocument } from './fetch-document.ts'
import type { LastGood } from './last-good.ts'
import { startPassLoop } from './pass-loop.ts'
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
  fleet: string
  trustedKeys: TrustedKeys
  lastGood: LastGood
  refusals: Refusals
  pollMs: number
  bytesMax: number
  log: Logger
  /** Called after every accepted document and every confirmation, with what is current from now on. */
  onTopology(topology: Topology): void
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

type Kind = 'base' | 'overlay'

/** `isHeld`: the document of that answer is the current one. Only then does a later "unchanged" confirm it. */
type LastAnswer = { etag: string | null; isHeld: boolean }

/** Resolves when the disk was read; the network is asked from then on, and never waited for. */
export async function startTopologyFollower(options: FollowerOptions): Promise<TopologyFollower> {
  const { lastGood, refusals, log } = options
  const stopping = new AbortController()
  let current: Topology | null = null
  let controlPlaneSeenAt: number | null = null
  const answers: Record<Kind, LastAnswer> = {
    base: { etag: null, isHeld: false },
    overlay: { etag: null, isHeld: false },
  }
  /** Kinds that could not be had the last time; said once in the log, not at every poll. */
  const unavailable = new Set<Kind>()
  /** Texts that are current and not yet on disk: a full disk is tried again, or a restart would find an old document. */
  const unsaved = new Map<Kind, string>()
  /** Kinds whose last write failed; said once in the log. */
  const unwritable = new Set<Kind>()

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
  function offer(
    kind: Kind,
    text: string,
    source: DocumentSource,
    receivedAt: number,
  ): 'taken' | 'held' | 'refused' {
    const problems = tryOffer(kind, text, receivedAt)
    if (problems.length === 0) return 'taken'
    if (problems[0]!.code === 'TOPOLOGY_UNCHANGED') return 'held'
    refusals.add(kind, source, problems)
    return 'refused'
  }

  /** Core does not throw for any document. Should it, or what follows it, that document is refused like any other. */
  function tryOffer(kind: Kind, text: string, receivedAt: number): Problem[] {
    try {
      return kind === 'base' ? offerBase(text) : offerOverlay(text, receivedAt)
    } catch (error) {
      return [problem('TOPOLOGY_UNUSABLE', '', `it could not be used: ${(error as Error).message}`)]
    }
  }

  function offerBase(text: string) {
    const accepted = acceptBase(current?.snapshot ?? null, text, options.trustedKeys, options.fleet)
    if (!accepted.ok) return accepted.problems
    const { epoch, version } = accepted.value.base
    adopt({
      snapshot: accepted.value,
      overlay: current?.overlay ?? null,
      overlayConfirmedAt: current?.overlayConfirmedAt ?? 0,
    })
    log.info('topology base accepted', { epoch, version })
    return []
  }

  function offerOverlay(text: string, receivedAt: number) {
    if (!current) return [problem('TOPOLOGY_NO_BASE', '', 'an overlay refines a base, and none is held yet')]
    const accepted = acceptOverlay(current.overlay, current.snapshot, text, options.trustedKeys)
    if (!accepted.ok) return accepted.problems
    adopt({ ...current, overlay: accepted.value, overlayConfirmedAt: receivedAt })
    return []
  }

  async function readDisk(kind: Kind): Promise<void> {
    try {
      const file = await lastGood.read(kind)
      if (!file) return
      // A file from the future (the clock was set back) must not keep its health marks alive.
      offer(kind, file.text, 'disk', Math.min(file.writtenAt, monotonicNow()))
    } catch (error) {
      refusals.add(kind, 'disk', [problem('TOPOLOGY_UNREADABLE', '', (error as Error).message)])
    }
  }

  async function ask(kind: Kind): Promise<void> {
    const last = answers[kind]
    const fetched = await fetchDocument({
      url: `${options.url}/v1/topology/${kind}`,
      bearerToken: options.bearerToken,
      etag: last.etag,
      bytesMax: options.bytesMax,
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
    if (fetched.kind === 'too-large') {
      const message = `the document has more than ${options.bytesMax} bytes and was not read to its end`
      refusals.add(kind, 'origin', [problem('TOPOLOGY_TOO_LARGE', '', message)])
      answers[kind] = { etag: fetched.etag, isHeld: false }
      return
    }
    const result = offer(kind, fetched.text, 'origin', monotonicNow())
    answers[kind] = { etag: fetched.etag, isHeld: result !== 'refused' }
    if (result === 'held' && kind === 'overlay') await confirmOverlay()
    if (result === 'taken') {
      unsaved.set(kind, fetched.text)
      await save(kind)
    }
  }

  async function save(kind: Kind): Promise<void> {
    const text = unsaved.get(kind)
    if (text === undefined) return
    try {
      await lastGood.write(kind, text)
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

  function noteUnavailable(kind: Kind, why: string): void {
    if (!unavailable.has(kind)) log.warn('the control plane cannot be asked; routing goes on', { why })
    unavailable.add(kind)
  }

  await readDisk('base')
  if (current) await readDisk('overlay')
  async function pass(): Promise<void> {
    // One that failed before; also while the control plane is gone, when a restart needs the file most.
    await save('base')
    await ask('base')
    if (current) await ask('overlay')
  }
  const loop = startPassLoop(pass, options.pollMs, stopping.signal)
  const events = followTopologyEvents({
    url: `${options.url}/v1/topology/events`,
    bearerToken: options.bearerToken,
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
      await Promise.all([loop.ended, events])
    },
  }
}
