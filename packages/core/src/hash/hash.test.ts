import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { bucketOf, hashKey } from './bucket.ts'
import { xxh32 } from './xxh32.ts'

const PRIME_32 = 0x9e3779b1

/** The buffer of xxHash's own sanity check (cli/xsum_sanity_check.c): the top bytes of a 64-bit product. */
function sanityBuffer(length: number): Uint8Array {
  let generator = BigInt(PRIME_32)
  return Uint8Array.from({ length }, () => {
    const byte = Number(generator >> 56n)
    generator = (generator * 11400714785074694797n) & 0xffff_ffff_ffff_ffffn
    return byte
  })
}

test('xxh32 gives the published results for texts', () => {
  for (const [text, seed, expected] of [
    ['', 0, 0x02cc5d05],
    ['', PRIME_32, 0x36b78ae7],
    ['a', 0, 0x550d7456],
    ['abc', 0, 0x32d153ff],
    ['Nobody inspects the spammish repetition', 0, 0xe2293b2f],
  ] as const) {
    assert.equal(xxh32(new TextEncoder().encode(text), seed), expected, JSON.stringify(text))
    assert.equal(hashKey(text, seed), expected, JSON.stringify(text))
  }
})

test('xxh32 gives the results of the reference implementation at every branch of the length', () => {
  const buffer = sanityBuffer(4161)
  for (const [length, seed, expected] of [
    [1, 0, 0xcf65b03e],
    [1, PRIME_32, 0xb4545aa4],
    [4, 0, 0xa9de7ce9],
    [14, 0, 0x1208e7e2],
    [14, PRIME_32, 0x6af1d1fe],
    [15, 0, 0x6b859e14],
    [16, 0, 0x93ba3759],
    [17, 0, 0x89fdc23e],
    [32, 0, 0xd89829ec],
    [33, 0, 0x31a427e5],
    [100, 0, 0x96ad8143],
    [100, PRIME_32, 0x83d48124],
    [222, 0, 0x5bd11dbd],
    [222, PRIME_32, 0x58803c5f],
    [241, 0, 0xe5f7c54d],
    [4161, 0, 0xacf41462],
  ] as const) {
    assert.equal(xxh32(buffer.subarray(0, length), seed), expected, `${length} bytes, seed ${seed}`)
  }
})

test('a key is hashed by its UTF-8 form, whatever its script, its length and the seed', () => {
  const codes = (max: number) =>
    fc
      .array(fc.integer({ min: 0, max }), { maxLength: 300, size: 'max' })
      .map((units) => String.fromCharCode(...units))
  const ascii = codes(0x7f)
  const key = fc.oneof(
    ascii,
    codes(0xff),
    // Any 16-bit codes: lone surrogates among them.
    codes(0xffff),
    fc.string({ unit: 'binary', maxLength: 150 }),
    // One foreign code in a long ASCII key, at any place: each place of a word has to notice it.
    fc
      .tuple(ascii, fc.constantFrom(0x80, 0xff, 0x100, 0x8000, 0xd800, 0xdfff, 0xff00), ascii)
      .map(([before, code, after]) => before + String.fromCharCode(code) + after),
  )
  fc.assert(
    fc.property(key, fc.nat(0xffff_ffff), (key, seed) => {
      assert.equal(hashKey(key, seed), xxh32(new TextEncoder().encode(key), seed))
    }),
    { numRuns: 1000 },
  )
})

test('a code beyond ASCII is noticed at every place of a key of every length', () => {
  for (let length = 1; length <= 40; length++) {
    for (let at = 0; at < length; at++) {
      for (const code of [0x80, 0x100, 0x8000, 0xd800]) {
        const key = 'a'.repeat(at) + String.fromCharCode(code) + 'a'.repeat(length - at - 1)
        assert.equal(
          hashKey(key, 1),
          xxh32(new TextEncoder().encode(key), 1),
          `${code} at ${at} of ${length}`,
        )
      }
    }
  }
})

test('a bucket is the low bits of the hash', () => {
  assert.equal(bucketOf('abc', 0, 65_536), 0x53ff)
  assert.equal(bucketOf('abc', 0, 16), 0xf)
})
