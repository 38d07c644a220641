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
  /** One look, and what came of it is offered. Resolves to why the object store could not be asked; empty when it could. */
  look(): Promise<string>
}

const NEVER = Number.POSITIVE_INFINITY

export function createStoreReader(options: StoreReaderOptions): StoreReader {
  const { access, signal, refuse } = options
  const { prefix } = access
  /** Of the pointer that was dealt with last. `forgetAt`: when it is read anew though it has not changed. */
  let last = { etag: null as string | null, forgetAt: NEVER }
  /** The last one that kept its word. It never goes back; one that promised too much is none to go back from. */
  let newest: TopologyPointer | null = null

  async function get(key: string, etag: string | null, bytesMax: number): Promise<FetchedDocument> {
    const condition: Record<string, string> = etag === null ? {} : { 'if-none-match': etag }
    const prepared = await prepareRequest(access, { method: 'GET', key, headers: condition })
    if (!prepared.ok) return { kind: 'unavailable', why: formatProblems(prepared.problems) }
    return fetchDocument({ ...prepared.value, etag, bytesMax, waits: options.waits, signal })
  }

  /** Throws when it cannot be had. */
  async function follow(kind: DocumentKind, reference: DocumentReference): Promise<Offered> {
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
      try {
        const { base, overlay } = pointer.value
        const outcomes = [await follow('base', base)]
        // Health marks mean nothing without the cells that they are about.
        if (overlay) outcomes.push(options.held('base') ? await follow('overlay', overlay) : 'unreadable')
        const isDone = !outcomes.includes('unreadable')
        last = { etag: fetched.etag, forgetAt: isDone ? NEVER : monotonicNow() + options.retryMs }
        if (isDone && !outcomes.includes('refused')) newest = pointer.value
        return ''
      } catch (error) {
        return (error as Error).message
      }
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
