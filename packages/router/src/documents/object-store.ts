/**
 * Follows the topology in an object store, where the control plane publishes it as objects: one small pointer, asked for
 * conditionally, and what it names when that is newer than what is held. Loaded where an object store is configured, and nowhere
 * else: signing costs memory.
 *
 *     pointer ──(unchanged)──────────────────────────────▶ nothing to do
 *        ├──(no pointer, another fleet's, goes back)─────▶ refused; not read again until it changes
 *        └──(names newer)──▶ object ──(size, SHA-256)──▶ offered as any document is, and taken or refused by what it says
 *                               └──(cannot be had)─────▶ at the next look
 *
 * The pointer is believed as little as it needs to be. Where an object is follows from its version and not from the pointer,
 * so one that was forged cannot have the router ask for something else; its size is a promise that is held against the limit
 * before anything is read, and against what comes; and an older version than what is held is no news and no fault, because
 * a base is in the object store only once its wave is over.
 *
 * Neither document waits long for the other: a base that takes its time comes beside the looks, and one that cannot be had
 * keeps no overlay away, whose quarantines hold for the base before as well.
 */
import { createHash } from 'node:crypto'
import { setImmediate as nextTurn } from 'node:timers/promises'
import {
  type DocumentReference,
  documentKey,
  formatProblems,
  isNewerReference,
  type Parsed,
  POINTER_BYTES_MAX,
  type Problem,
  parsed,
  parseTopologyPointer,
  pointerKey,
  problem,
  refused,
  type TopologyPointer,
} from '@cellplane/contract'
import { prepareRequest, type StoreAccess } from '@cellplane/object-store'
import { monotonicNow } from '../clock.ts'
import { type FetchedDocument, type FetchWaits, fetchDocument } from './fetch-document.ts'
import type { Offered } from './held-topology.ts'
import { isLate } from './patience.ts'
import { bytesOf, type Chunks, type DocumentKind, textOf } from './read-document.ts'

type Version = Pick<DocumentReference, 'epoch' | 'version'>

export type StoreReaderOptions = {
  access: StoreAccess
  fleet: string
  bytesMax: number
  waits: FetchWaits
  /** A document that could not be read, or was not what the pointer says, is tried again after this. */
  retryMs: number
  signal: AbortSignal
  held(kind: DocumentKind): Version | null
  offer(kind: DocumentKind, document: Chunks): Promise<Offered>
  /** What the object store says of a document cannot be believed. */
  refuse(kind: DocumentKind, problems: readonly Problem[]): void
}

export type StoreReader = {
  /**
   * One look, and what came of it is offered; a base that is late comes after. Resolves to why the object store could not be
   * asked, or why the last base did not come; empty when all is well.
   */
  look(): Promise<string>
  /** Resolves when no base is under way. */
  idle(): Promise<void>
}

/** What became of a document, or why it cannot be had. */
type Outcome = { offered: Offered; why: string }

const NEVER = Number.POSITIVE_INFINITY

export function createStoreReader(options: StoreReaderOptions): StoreReader {
  const { access, signal, refuse } = options
  const { prefix } = access
  /** Of the pointer that was dealt with last. `forgetAt`: when it is read anew though it has not changed. */
  let last = { etag: null as string | null, forgetAt: NEVER }
  /** The last one that kept its word. It never goes back; one that promised too much is none to go back from. */
  let newest: TopologyPointer | null = null
  /** `of`: the SHA-256 that the pointer says. */
  let baseUnderWay: { of: string; outcome: Promise<Outcome> } | null = null
  /** What became of the last base, when its look did not wait for it: for the next look. */
  let lateBase: { of: string; outcome: Outcome } | null = null

  async function get(key: string, etag: string | null, bytesMax: number): Promise<FetchedDocument> {
    const condition: Record<string, string> = etag === null ? {} : { 'if-none-match': etag }
    const prepared = await prepareRequest(access, { method: 'GET', key, headers: condition })
    if (!prepared.ok) return { kind: 'unavailable', why: formatProblems(prepared.problems) }
    return fetchDocument({ ...prepared.value, etag, bytesMax, waits: options.waits, signal })
  }

  async function follow(kind: DocumentKind, reference: DocumentReference): Promise<Outcome> {
    try {
      return { offered: await fetchAndOffer(kind, reference), why: '' }
    } catch (error) {
      return { offered: 'unreadable', why: (error as Error).message }
    }
  }

  async function beginBase(reference: DocumentReference): Promise<Outcome> {
    const outcome = await follow('base', reference)
    baseUnderWay = null
    lateBase = { of: reference.sha256, outcome }
    return outcome
  }

  /** Null while it, or another one, is under way. */
  async function followBase(reference: DocumentReference): Promise<Outcome | null> {
    const { sha256: of } = reference
    // It is not fetched again only to be refused again. One that could not be had is.
    if (lateBase?.of === of && lateBase.outcome.why === '') {
      const { outcome } = lateBase
      lateBase = null
      return outcome
    }
    baseUnderWay ??= { of, outcome: beginBase(reference) }
    const base = baseUnderWay
    if (base.of !== of || (await isLate(base.outcome, signal))) return null
    lateBase = null
    return base.outcome
  }

  /** Throws when it cannot be had. */
  async function fetchAndOffer(kind: DocumentKind, reference: DocumentReference): Promise<Offered> {
    const held = options.held(kind)
    if (held && !isNewerReference(reference, held)) return 'held'
    if (reference.bytes > options.bytesMax) {
      const why = `${reference.bytes} bytes are announced; at most ${options.bytesMax} are read; publish a smaller document`
      refuse(kind, [problem('TOPOLOGY_TOO_LARGE', '', why)])
      return 'refused'
    }
    const fetched = await get(reference.key, null, reference.bytes)
    if (fetched.kind === 'unavailable') throw new Error(fetched.why)
    const chunks = fetched.kind === 'document' ? fetched.chunks : null
    const found = chunks ? `${bytesOf(chunks)} bytes` : 'more bytes'
    if (!chunks || bytesOf(chunks) !== reference.bytes || (await sha256Of(chunks)) !== reference.sha256) {
      const why =
        `${reference.key} is not what ${pointerKey(prefix)} says: found ${found}; expected ${reference.bytes} with SHA-256 ` +
        `${reference.sha256}; it is tried again in ${options.retryMs / 1000} s; look who else writes there`
      refuse(kind, [problem('TOPOLOGY_OBJECT_MISFIT', '', why)])
      return 'unreadable'
    }
    return options.offer(kind, chunks)
  }

  /** The pointer, when it is to be believed. */
  function read(text: string): Parsed<TopologyPointer> {
    const pointer = parseTopologyPointer(text)
    if (!pointer.ok) return pointer
    const { fleet, base, overlay } = pointer.value
    if (fleet !== options.fleet) {
      const why = `found fleet "${fleet}"; expected "${options.fleet}"; check topology.s3.prefix`
      return refused(problem('TOPOLOGY_OTHER_FLEET', 'fleet', why))
    }
    const misplaced = [misplacedIn('base', base), overlay && misplacedIn('overlay', overlay)].find(Boolean)
    if (misplaced) return refused(misplaced)
    const back = newest && goesBack(newest, pointer.value)
    if (back) return refused(problem('TOPOLOGY_OLDER', '', back))
    return parsed(pointer.value)
  }

  function misplacedIn(kind: DocumentKind, { epoch, version, key }: DocumentReference): Problem | null {
    const expected = documentKey(prefix, kind, { epoch, version })
    if (key === expected) return null
    return problem('INVALID_VALUE', `${kind}.key`, `found "${key}"; expected "${expected}"`)
  }

  return {
    async look() {
      const etag = last.forgetAt <= monotonicNow() ? null : last.etag
      const fetched = await get(pointerKey(prefix), etag, POINTER_BYTES_MAX)
      if (fetched.kind === 'unavailable') return fetched.why
      if (fetched.kind === 'unchanged') return ''
      const pointer =
        fetched.kind === 'document'
          ? read(textOf(fetched.chunks))
          : refused(problem('TOPOLOGY_TOO_LARGE', '', `more than ${POINTER_BYTES_MAX} bytes`))
      if (!pointer.ok) {
        const [first, ...more] = pointer.problems
        // It is about whatever it would have named.
        refuse('base', [{ ...first!, message: `${first!.message}; in ${pointerKey(prefix)}` }, ...more])
        last = { etag: fetched.etag, forgetAt: NEVER }
        return ''
      }
      const base = await followBase(pointer.value.base)
      const outcomes = [base ?? { offered: 'unreadable', why: lateBase?.outcome.why ?? '' }]
      if (pointer.value.overlay) {
        // Health marks mean nothing without the cells that they are about.
        const overlay = options.held('base') ? await follow('overlay', pointer.value.overlay) : null
        outcomes.push(overlay ?? { offered: 'unreadable', why: '' })
      }
      // What is on its way, or could not be had, is looked after at the next look.
      const why = outcomes.map((one) => one.why).find(Boolean) ?? ''
      if (why !== '' || !base) return why
      const offered = outcomes.map((one) => one.offered)
      const isDone = !offered.includes('unreadable')
      last = { etag: fetched.etag, forgetAt: isDone ? NEVER : monotonicNow() + options.retryMs }
      if (isDone && !offered.includes('refused')) newest = pointer.value
      return ''
    },
    async idle() {
      await baseUnderWay?.outcome
    },
  }
}

/** How, in words; null when it does not. A newer epoch has whatever overlay it has. */
function goesBack(newest: TopologyPointer, found: TopologyPointer): string | null {
  const name = (one: Version | null) => (one ? `${one.epoch}.${one.version}` : 'none')
  const say = (what: string, before: Version, now: Version | null) =>
    `it goes back from ${what} ${name(before)} to ${name(now)}; expected what is as new, or newer; look who else writes there`
  if (isNewerReference(newest.base, found.base)) return say('base', newest.base, found.base)
  if (found.base.epoch > newest.base.epoch || !newest.overlay) return null
  if (!found.overlay || isNewerReference(newest.overlay, found.overlay)) {
    return say('overlay', newest.overlay, found.overlay)
  }
  return null
}

/** Part by part, as they came; requests come between. */
async function sha256Of(chunks: Chunks): Promise<string> {
  const hash = createHash('sha256')
  for (const chunk of chunks) {
    hash.update(chunk)
    await nextTurn()
  }
  return hash.digest('hex')
}
