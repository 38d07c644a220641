/**
 * The topology as objects of a store: where they are, and the pointer, `current.json`, which says which of them are current.
 *
 * Documents are written once and never changed, so whoever reads needs one small object to know what is new. It carries no
 * signature: it can be forged only by who may write to the bucket, and what it names is signed and has an age, so the
 * worst that a forged one does is to withhold news.
 */
import * as v from 'valibot'
import { fleetNameSchema } from '../identifiers.ts'
import { type Parsed, problem, refused } from '../problem.ts'
import { int, parseWith, strictObject, text } from '../schema/index.ts'
import { versionSchema } from './base.ts'

/** A pointer has less than a kilobyte, but for its prefix. */
export const POINTER_BYTES_MAX = 16_384

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
export type TopologyPointer = v.InferOutput<typeof pointerSchema>

export function parseTopologyPointer(found: string): Parsed<TopologyPointer> {
  try {
    return parseWith(pointerSchema, JSON.parse(found))
  } catch (error) {
    return refused(problem('INVALID_JSON', '', (error as Error).message))
  }
}

export const pointerKey = (prefix: string): string => `${prefix}/current.json`

export function documentKey(
  prefix: string,
  kind: 'base' | 'overlay',
  { epoch, version }: Pick<DocumentReference, 'epoch' | 'version'>,
): string {
  return `${prefix}/${kind}/${epoch}.${version}.json`
}

export function isNewerReference(
  one: DocumentReference,
  other: Pick<DocumentReference, 'epoch' | 'version'>,
): boolean {
  return one.epoch > other.epoch || (one.epoch === other.epoch && one.version > other.version)
}
