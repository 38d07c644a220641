/**
 * The pointer, `current.json`: which objects are the current documents. Pure.
 *
 * Documents are written once and never changed, so whoever reads needs one small object to know what is new. It carries no
 * signature: it can be forged only by who may write to the bucket, and what it names is signed and has an age, so the
 * worst that a forged one does is to withhold news.
 *
 * It never goes back. One that names something newer than what this control plane has was written by a control plane of
 * a newer epoch, or by one that leads meanwhile, and this one is to leave it alone.
 */
import { createHash } from 'node:crypto'
import {
  fleetNameSchema,
  type Parsed,
  parsed,
  parseWith,
  problem,
  refused,
  versionSchema,
} from '@cellplane/contract'
import { int, strictObject, text } from '@cellplane/contract/schema'
import * as v from 'valibot'

const referenceSchema = strictObject({
  epoch: versionSchema,
  version: versionSchema,
  /** The object's key, whole. */
  key: text(1, 1024),
  /** Of its bytes, hexadecimal. */
  sha256: v.pipe(v.string(), v.regex(/^[0-9a-f]{64}$/)),
  bytes: int(1),
})
const pointerSchema = strictObject({
  format: v.literal(1),
  fleet: fleetNameSchema,
  base: referenceSchema,
  overlay: v.nullable(referenceSchema),
})
export type DocumentReference = v.InferOutput<typeof referenceSchema>
export type Pointer = v.InferOutput<typeof pointerSchema>

/** `text` is the document, byte for byte. */
export function referTo(
  prefix: string,
  kind: 'base' | 'overlay',
  { epoch, version, text }: { epoch: number; version: number; text: string },
): DocumentReference {
  const sha256 = createHash('sha256').update(text).digest('hex')
  const key = `${prefix}/${kind}/${epoch}.${version}.json`
  return { epoch, version, key, sha256, bytes: Buffer.byteLength(text) }
}

/** `write`: it is to be replaced. `same`: it says so already. */
export type PointerPlan = 'write' | 'same'

/** `found` is what stands there, as text; undefined when nothing does. Problems say why it is to be left alone. */
export function planPointer(found: string | undefined, ours: Pointer): Parsed<PointerPlan> {
  if (found === undefined) return parsed('write')
  const theirs = parsePointer(found)
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

function parsePointer(found: string): Parsed<Pointer> {
  try {
    return parseWith(pointerSchema, JSON.parse(found))
  } catch (error) {
    return refused(problem('INVALID_JSON', '', (error as Error).message))
  }
}

function isNewer(one: DocumentReference, other: DocumentReference): boolean {
  return one.epoch > other.epoch || (one.epoch === other.epoch && one.version > other.version)
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
