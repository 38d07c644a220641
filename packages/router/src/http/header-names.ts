/**
 * The header names that mean something to a router, found by a hash that the scan computes while it reads a name. All
 * other names cost nothing more.
 *
 * A name is known in its CGI-like spelling as well (`x_request_id`), but then only to be taken out: what a server behind
 * the router might read as the router's own word must not come from a client, and must not be read by the router.
 */
import { CELLPLANE_HEADER_PREFIX } from '@cellplane/contract'
import { SPELLING } from './character-classes.ts'

/** Passes as it came. */
export const KEEP = 0
/** Ends at the router. */
export const CUT = 1

export type HeaderName = {
  readonly name: string
  readonly fate: typeof KEEP | typeof CUT
  /** Of two, a router might believe one and a cell the other: such a message is refused. */
  readonly isSingle: boolean
}

export type HeaderNames = {
  /** Indexed by the ids that `find` returns. */
  readonly list: readonly HeaderName[]
  /** Id of a name whose spelling hashes to `hash`, or -1. `start` and `end` bound the name in `bytes`. */
  find(hash: number, bytes: Uint8Array, start: number, end: number): number
  /** Id of a lower-case name, or -1. */
  idOf(name: string): number
}

/** Families of names that only a router may use. */
const PREFIXES_CUT = [CELLPLANE_HEADER_PREFIX, 'x-forwarded-']

/** What `find` returns for a member of such a family. */
export const ID_PREFIX_CUT = -2

export const NAME_HASH_SEED = 0x811c9dc5

/** One step of the hash: FNV-1a over the spelling. It only has to tell few names apart; `find` compares in the end. */
export function hashNameByte(hash: number, byte: number): number {
  return Math.imul(hash ^ SPELLING[byte]!, 0x01000193)
}

/** Twice the names and more, so that a probe is short. */
const TABLE_SIZE = 256

export function compileHeaderNames(list: readonly HeaderName[]): HeaderNames {
  if (list.length > TABLE_SIZE / 2) throw new RangeError(`${list.length} header names; at most 128 fit`)
  const ids = new Int16Array(TABLE_SIZE).fill(-1)
  const hashes = Int32Array.from(list, ({ name }) => hashOf(name))
  const spellings = list.map(({ name }) => Uint8Array.from(name, (character) => character.charCodeAt(0)))
  const idByName = new Map(list.map(({ name }, id) => [name, id]))
  const prefixes = PREFIXES_CUT.map((prefix) => Uint8Array.from(prefix, (c) => c.charCodeAt(0)))
  for (const [id, hash] of hashes.entries()) {
    let place = hash & (TABLE_SIZE - 1)
    while (ids[place]! >= 0) place = (place + 1) & (TABLE_SIZE - 1)
    ids[place] = id
  }

  return {
    list,
    find(hash, bytes, start, end) {
      let place = hash & (TABLE_SIZE - 1)
      for (let id = ids[place]!; id >= 0; id = ids[place]!) {
        if (hashes[id] === hash && isSpelled(bytes, start, end, spellings[id]!)) return id
        place = (place + 1) & (TABLE_SIZE - 1)
      }
      for (const prefix of prefixes) {
        if (end - start > prefix.length && isSpelled(bytes, start, start + prefix.length, prefix)) {
          return ID_PREFIX_CUT
        }
      }
      return -1
    },
    idOf: (name) => idByName.get(name) ?? -1,
  }
}

function isSpelled(bytes: Uint8Array, start: number, end: number, spelling: Uint8Array): boolean {
  if (end - start !== spelling.length) return false
  for (let i = 0; i < spelling.length; i++) if (SPELLING[bytes[start + i]!] !== spelling[i]) return false
  return true
}

function hashOf(name: string): number {
  let hash = NAME_HASH_SEED | 0
  for (let i = 0; i < name.length; i++) hash = hashNameByte(hash, name.charCodeAt(i))
  return hash
}
