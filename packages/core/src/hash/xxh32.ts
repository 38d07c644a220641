/**
 * XXH32, the hash that every consumer of a topology computes (Yann Collet, xxHash; specification v0.1.1).
 *
 * It was chosen because HAProxy, JavaScript and every other language have it and because its low bits are good:
 * a bucket is the low bits. Everything here is 32-bit integer arithmetic, so the result is the same everywhere.
 *
 * `xxh32` is the plain form, for bytes. A lookup hashes a string without making bytes of it (`bucket.ts`), from the
 * same steps; the tests hold the two equal.
 */
export const PRIME_1 = 0x9e3779b1 | 0
export const PRIME_2 = 0x85ebca77 | 0
const PRIME_3 = 0xc2b2ae3d | 0
const PRIME_4 = 0x27d4eb2f | 0
export const PRIME_5 = 0x165667b1 | 0

/** The hash of the bytes as an unsigned 32-bit integer; `seed` is one as well. */
export function xxh32(bytes: Uint8Array, seed: number): number {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const length = bytes.byteLength
  let at = 0
  let hash = (seed + PRIME_5) | 0
  if (length >= 16) {
    let a = (seed + PRIME_1 + PRIME_2) | 0
    let b = (seed + PRIME_2) | 0
    let c = seed | 0
    let d = (seed - PRIME_1) | 0
    for (; at + 16 <= length; at += 16) {
      a = round(a, view.getInt32(at, true))
      b = round(b, view.getInt32(at + 4, true))
      c = round(c, view.getInt32(at + 8, true))
      d = round(d, view.getInt32(at + 12, true))
    }
    hash = joinLanes(a, b, c, d)
  }
  hash = (hash + length) | 0
  for (; at + 4 <= length; at += 4) hash = mixWord(hash, view.getInt32(at, true))
  for (; at < length; at++) hash = mixByte(hash, view.getUint8(at))
  return avalanche(hash) >>> 0
}

// The steps below take and give signed integers, which the engine keeps in registers.

export function round(lane: number, word: number): number {
  return Math.imul(rotate((lane + Math.imul(word, PRIME_2)) | 0, 13), PRIME_1)
}

export function joinLanes(a: number, b: number, c: number, d: number): number {
  return (rotate(a, 1) + rotate(b, 7) + rotate(c, 12) + rotate(d, 18)) | 0
}

export function mixWord(hash: number, word: number): number {
  return Math.imul(rotate((hash + Math.imul(word, PRIME_3)) | 0, 17), PRIME_4)
}

export function mixByte(hash: number, byte: number): number {
  return Math.imul(rotate((hash + Math.imul(byte, PRIME_5)) | 0, 11), PRIME_1)
}

export function avalanche(hash: number): number {
  const first = Math.imul(hash ^ (hash >>> 15), PRIME_2)
  const second = Math.imul(first ^ (first >>> 13), PRIME_3)
  return second ^ (second >>> 16)
}

function rotate(value: number, bits: number): number {
  return (value << bits) | (value >>> (32 - bits))
}
