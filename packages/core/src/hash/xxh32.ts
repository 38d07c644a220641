/**
 * XXH32, the hash that every consumer of a topology computes (Yann Collet, xxHash; specification v0.1.1).
 *
 * It was chosen because HAProxy, JavaScript and every other language have it and because its low bits are good:
 * a bucket is the low bits. Everything here is 32-bit integer arithmetic, so the result is the same everywhere.
 */
const PRIME_1 = 0x9e3779b1 | 0
const PRIME_2 = 0x85ebca77 | 0
const PRIME_3 = 0xc2b2ae3d | 0
const PRIME_4 = 0x27d4eb2f | 0
const PRIME_5 = 0x165667b1 | 0

/** The hash of the bytes as an unsigned 32-bit integer; `seed` is one as well. */
export function xxh32(bytes: Uint8Array, seed: number): number {
  return (
    xxh32Signed(new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength), bytes.byteLength, seed) >>> 0
  )
}

/** The same for the first `length` bytes, as a signed integer: the hot path's form, since the engine boxes no int32. */
export function xxh32Signed(bytes: DataView, length: number, seed: number): number {
  let at = 0
  let hash: number
  if (length >= 16) {
    let a = (seed + PRIME_1 + PRIME_2) | 0
    let b = (seed + PRIME_2) | 0
    let c = seed | 0
    let d = (seed - PRIME_1) | 0
    for (; at + 16 <= length; at += 16) {
      a = round(a, bytes.getInt32(at, true))
      b = round(b, bytes.getInt32(at + 4, true))
      c = round(c, bytes.getInt32(at + 8, true))
      d = round(d, bytes.getInt32(at + 12, true))
    }
    hash = (rotate(a, 1) + rotate(b, 7) + rotate(c, 12) + rotate(d, 18)) | 0
  } else {
    hash = (seed + PRIME_5) | 0
  }
  hash = (hash + length) | 0
  for (; at + 4 <= length; at += 4) {
    hash = Math.imul(rotate((hash + Math.imul(bytes.getInt32(at, true), PRIME_3)) | 0, 17), PRIME_4)
  }
  for (; at < length; at++) {
    hash = Math.imul(rotate((hash + Math.imul(bytes.getUint8(at), PRIME_5)) | 0, 11), PRIME_1)
  }
  hash = Math.imul(hash ^ (hash >>> 15), PRIME_2)
  hash = Math.imul(hash ^ (hash >>> 13), PRIME_3)
  return hash ^ (hash >>> 16)
}

function round(lane: number, input: number): number {
  return Math.imul(rotate((lane + Math.imul(input, PRIME_2)) | 0, 13), PRIME_1)
}

function rotate(value: number, bits: number): number {
  return (value << bits) | (value >>> (32 - bits))
}
