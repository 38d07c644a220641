/**
 * The topology that a router holds: one immutable value, which is swapped. Whoever routes reads the reference and waits for
 * nothing.
 *
 * A document is taken whole or refused whole (core decides); a refusal is counted and changes nothing else. Documents come
 * from several places, and a base of one while a base of another is still being read: those of a kind have their turns, so
 * that each is judged by what is current when it could become so, and none is replaced by an older one.
 */
import { setImmediate as nextTurn } from 'node:timers/promises'
import {
  type Parsed,
  type Problem,
  parsed,
  problem,
  refused,
  TOPOLOGY_KEY_UNKNOWN,
  type TopologyOverlay,
  type TrustedKeys,
} from '@cellplane/contract'
import {
  guardedBase,
  type HeldBase,
  openSnapshot,
  overlayMisfits,
  refit,
  type Snapshot,
} from '@cellplane/core/data-plane'
import type { Logger } from '../log.ts'
import { type ReaderLimits, readDocumentAside } from './document-reader.ts'
import { type Chunks, type DocumentKind, TOPOLOGY_UNREADABLE } from './read-document.ts'
import type { DocumentSource, Refusals } from './refusals.ts'

export type Topology = {
  readonly snapshot: Snapshot
  readonly overlay: TopologyOverlay | null
  /** When the overlay was last said to be the current one, ms since the epoch; what its TTL counts from. */
  readonly overlayConfirmedAt: number
}

export type HeldTopologyOptions = {
  fleet: string
  trustedKeys: TrustedKeys
  refusals: Refusals
  reading: ReaderLimits
  log: Logger
  /** Called after every accepted document and every confirmation, with what is current from now on. */
  onTopology(topology: Topology): void
}

/** `taken`: it is new and current now; `held`: it was current already; `unreadable`: it may be taken later as it is. */
export type Offered = 'taken' | 'held' | 'refused' | 'unreadable'

export type HeldTopology = {
  /** Null until a base was accepted. */
  readonly current: Topology | null
  /** An overlay is offered only once there is a base. Never rejects. */
  offer(kind: DocumentKind, document: Chunks, source: DocumentSource, receivedAt: number): Promise<Offered>
  /** The overlay is still the one that is published. */
  confirmOverlay(at: number): void
}

/** What may be taken later as it is: a process with more room reads it, or its key comes to be trusted. */
const REFUSED_FOR_NOW: ReadonlySet<string> = new Set([TOPOLOGY_UNREADABLE, TOPOLOGY_KEY_UNKNOWN])

/** What a newer base is compared with, and nothing else of it: it is sent to whoever reads that one. */
function heldBase(snapshot: Snapshot): HeldBase {
  const { epoch, version, signature } = snapshot.base
  return { epoch, version, signature, guarded: guardedBase(snapshot) }
}

/** When `signal` aborts, what is being read is refused, and that is not counted. */
export function createHeldTopology(options: HeldTopologyOptions, signal: AbortSignal): HeldTopology {
  const { refusals, log } = options
  let current: Topology | null = null
  /** Of the last document of each kind that was offered. */
  const turns: Record<DocumentKind, Promise<unknown>> = {
    base: Promise.resolve(),
    overlay: Promise.resolve(),
  }

  function adopt(topology: Topology): void {
    options.onTopology(topology)
    current = topology
  }

  async function offerInTurn(
    kind: DocumentKind,
    document: Chunks,
    source: DocumentSource,
    receivedAt: number,
  ): Promise<Offered> {
    const problems =
      kind === 'base' ? await offerBase(document, source) : await offerOverlay(document, source, receivedAt)
    if (problems.length === 0) return 'taken'
    const { code } = problems[0]!
    if (code === 'TOPOLOGY_UNCHANGED') return 'held'
    // One that is not read to its end because the router stops is no fault of anybody's.
    if (!signal.aborted) refusals.add(kind, source, problems)
    return REFUSED_FOR_NOW.has(code) ? 'unreadable' : 'refused'
  }

  async function offerBase(document: Chunks, source: DocumentSource): Promise<Problem[]> {
    const base = await read('base', document, current && heldBase(current.snapshot))
    if (!base.ok) return base.problems
    const { epoch, version } = base.value.base
    const opened = tryTo(() => openSnapshot(base.value))
    if (!opened.ok) return opened.problems
    // To open it and to adopt it are a millisecond or two each for 1,000 cells; requests come between.
    await nextTurn()
    // An overlay that came before its base is judged now.
    const { overlay, misfits } = refit(current?.overlay ?? null, opened.value)
    const adopted = tryTo(() =>
      adopt({ snapshot: opened.value, overlay, overlayConfirmedAt: current?.overlayConfirmedAt ?? 0 }),
    )
    if (!adopted.ok) return adopted.problems
    log.info('topology base accepted', { epoch, version })
    if (misfits.length > 0) refusals.add('overlay', source, misfits)
    return []
  }

  async function offerOverlay(
    document: Chunks,
    source: DocumentSource,
    receivedAt: number,
  ): Promise<Problem[]> {
    const overlay = await read('overlay', document, current?.overlay ?? null)
    if (!overlay.ok) return overlay.problems
    const { snapshot } = current!
    const misfits = overlayMisfits(overlay.value, snapshot)
    if (misfits.length > 0) return misfits
    // An object store keeps giving what it was given last, however long ago: there marks are as old as they say they are.
    const issuedAt = source === 'object-store' ? Date.parse(overlay.value.issued_at) : receivedAt
    const overlayConfirmedAt = Math.min(receivedAt, issuedAt)
    const adopted = tryTo(() => adopt({ snapshot, overlay: overlay.value, overlayConfirmedAt }))
    return adopted.ok ? [] : adopted.problems
  }

  function read<K extends DocumentKind>(kind: K, document: Chunks, held: HeldBase | null) {
    const { fleet, trustedKeys: keys, reading } = options
    return readDocumentAside({ kind, held, keys, fleet }, document, signal, reading)
  }

  /** Core does not throw for any document. Should what follows it, that document is refused like any other. */
  function tryTo<T>(step: () => T): Parsed<T> {
    try {
      return parsed(step())
    } catch (error) {
      return refused(problem('TOPOLOGY_UNUSABLE', '', `it could not be used: ${(error as Error).message}`))
    }
  }

  return {
    get current() {
      return current
    },
    offer(kind, document, source, receivedAt) {
      const done = turns[kind].then(() => offerInTurn(kind, document, source, receivedAt))
      turns[kind] = done
      return done
    },
    confirmOverlay(at) {
      if (current) adopt({ ...current, overlayConfirmedAt: at })
    },
  }
}
