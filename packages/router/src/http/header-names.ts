/**
 * The header names that mean something to a router, found by a small hash table. Other names cost next to nothing.
 *
 * A name is known in its CGI-like spelling as well (`x_request_id`), but then only to be taken out: what a server behind
 * the router might read as the router's own word must not come from a client, and must not be read by the router.
 */
import { CELLPLANE_HEADER_PREFIX } from '@cellplane/contract'
import { SPELLING, UNDERSCORE } from './character-classes.ts'

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
  /** Id of the name from `start` to `end`, which is not empty; ID_UNKNOWN or ID_IMITATION. */
  find(bytes: Uint8Array, start: number, end: number): number
  /** Id of a lower-case name, or -1. */
  idOf(name: string): number
}

/** Families of names that only a router may use. */
const PREFIXES_CUT = [CELLPLANE_HEADER_PREFIX, 'x-forwarded-']

/** What `find` returns for a name that means nothing to the router. */
export const ID_UNKNOWN = -1

/** What it returns for a member of such a family, and for a known name in its CGI-like spelling. */
export const ID_IMITATION = -2

/** Many times the names, so that a probe is short. */
const TABLE_SIZE = 256

/**
 * By the length and three letters. It only has to tell most names apart: `find` compares in the end. A hash of every
 * letter cost as much as checking the letters.
 */
function placeOf(bytes: Uint8Array, start: number, end: number): number {
  const first = SPELLING[bytes[start]!]!
  const middle = SPELLING[bytes[(start + end) >> 1]!]!
  const last = SPELLING[bytes[end - 1]!]!
  return ((end - start) * 31 + first * 3 + middle * 7 + last * 17) & (TABLE_SIZE - 1)
}

export function compileHeaderNames(list: readonly HeaderName[]): HeaderNames {
  if (list.length > TABLE_SIZE / 2) throw new RangeError(`${list.length} header names; at most 128 fit`)
  const ids = new Int16Array(TABLE_SIZE).fill(-1)
  const spellings = list.map(({ name }) => bytesOf(name))
  const prefixes = PREFIXES_CUT.map(bytesOf)
  const idByName = new Map(list.map(({ name }, id) => [name, id]))
  for (const [id, spelling] of spellings.entries()) {
    let place = placeOf(spelling, 0, spelling.length)
    while (ids[place]! >= 0) place = (place + 1) & (TABLE_SIZE - 1)
    ids[place] = id
  }

  return {
    list,
    find(bytes, start, end) {
      let place = placeOf(bytes, start, end)
      for (let id = ids[place]!; id >= 0; id = ids[place]!) {
        if (isSpelled(bytes, start, end, spellings[id]!)) {
          return hasUnderscore(bytes, start, end) ? ID_IMITATION : id
        }
        place = (place + 1) & (TABLE_SIZE - 1)
      }
      for (const prefix of prefixes) {
        if (end - start > prefix.length && isSpelled(bytes, start, start + prefix.length, prefix)) {
          return ID_IMITATION
        }
      }
      return ID_UNKNOWN
    },
    idOf: (name) => idByName.get(name) ?? -1,
  }
}

function isSpelled(bytes: Uint8Array, start: number, end: number, spelling: Uint8Array): boolean {
  if (end - start !== spelling.length) return false
  for (let i = 0; i < spelling.length; i++) if (SPELLING[bytes[start + i]!] !== spelling[i]) return false
  return true
}

function hasUnderscore(bytes: Uint8Array, start: number, end: number): boolean {
  for (let at = start; at < end; at++) if (bytes[at] === UNDERSCORE) return true
  return false
}

function bytesOf(name: string): Uint8Array {
  return Uint8Array.from(name, (character) => character.charCodeAt(0))
}
