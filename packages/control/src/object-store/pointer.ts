/**
 * Whether the pointer that stands in the store is to be replaced by ours. Pure. What a pointer is: the contract's
 * `topology/pointer.ts`.
 *
 * It never goes back. One that names something newer than what this control plane has was written by a control plane of
 * a newer epoch, or by one that leads meanwhile, and this one is to leave it alone.
 */
import { createHash } from 'node:crypto'
import {
  type DocumentReference,
  documentKey,
  isNewerReference as isNewer,
  type Parsed,
  parsed,
  parseTopologyPointer,
  problem,
  refused,
  type TopologyPointer,
} from '@cellplane/contract'

/** `text` is the document, byte for byte. */
export function referTo(
  prefix: string,
  kind: 'base' | 'overlay',
  { epoch, version, text }: { epoch: number; version: number; text: string },
): DocumentReference {
  const sha256 = createHash('sha256').update(text).digest('hex')
  const key = documentKey(prefix, kind, { epoch, version })
  return { epoch, version, key, sha256, bytes: Buffer.byteLength(text) }
}

/** `write`: it is to be replaced. `same`: it says so already. */
export type PointerPlan = 'write' | 'same'

/** `found` is what stands there, as text; undefined when nothing does. Problems say why it is to be left alone. */
export function planPointer(found: string | undefined, ours: TopologyPointer): Parsed<PointerPlan> {
  if (found === undefined) return parsed('write')
  const theirs = parseTopologyPointer(found)
  if (!theirs.ok) {
    const why = `it is no pointer of cellplane (${theirs.problems[0]?.message}); look who else writes there, and remove it`
    return refused(problem('INVALID_VALUE', '', why))
  }
  const { fleet, base, overlay } = theirs.value
  if (fleet !== ours.fleet) {
    const why = `it belongs to fleet "${fleet}"; expected "${ours.fleet}"; give each fleet a prefix of its own`
    return refused(problem('CONFLICT', 'fleet', why))
  }
  if (isNewer(base, ours.base)) return refused(fenced('base', base, ours.base))
  // A store that was restored begins a new epoch, with whatever overlay it still had.
  if (ours.base.epoch > base.epoch) return parsed('write')
  if (overlay && (!ours.overlay || isNewer(overlay, ours.overlay))) {
    return refused(fenced('overlay', overlay, ours.overlay))
  }
  return parsed(isSame(base, ours.base) && isSame(overlay, ours.overlay) ? 'same' : 'write')
}

function isSame(one: DocumentReference | null, other: DocumentReference | null): boolean {
  return one?.key === other?.key && one?.sha256 === other?.sha256
}

function fenced(what: string, theirs: DocumentReference, ours: DocumentReference | null) {
  const name = (one: DocumentReference | null) => (one ? `${one.epoch}.${one.version}` : 'none')
  const why =
    `it names ${what} ${name(theirs)}, and this control plane has ${name(ours)}: a newer one publishes there; ` +
    'stop one of them, or give this one a prefix of its own'
  return problem('CONFLICT', what, why)
}
