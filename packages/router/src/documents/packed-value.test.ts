import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { packValue, unpackValue } from './packed-value.ts'

const array = fc.oneof(
  fc.uint8Array(),
  fc.uint16Array(),
  fc.int32Array(),
  fc.uint32Array(),
  fc.float64Array({ noNaN: true }),
)
const value = fc
  .tuple(
    fc.string(),
    fc.jsonValue(),
    fc.array(
      fc.oneof(
        array,
        array.map((inside) => ({ inside })),
      ),
    ),
  )
  .map(([text, json, arrays]) => ({ text, json: JSON.stringify(json), arrays }))

test('a value comes back with its arrays, wherever its bytes lie', () => {
  fc.assert(
    fc.property(value, fc.nat(7), (packed, at) => {
      const bytes = Buffer.concat(packValue(packed))
      const moved = new Uint8Array(at + bytes.length).subarray(at)
      moved.set(bytes)
      assert.deepEqual(unpackValue(moved), packed)
    }),
    { numRuns: 200 },
  )
})

test('arrays are sent as they are and taken over where they are', () => {
  const members = Uint16Array.of(1, 2, 3)
  const generations = Float64Array.of(0.5, 1e300)
  const parts = packValue({ members, again: members.subarray(1, 2), generations })
  assert.ok(parts.some(({ buffer }) => buffer === members.buffer))
  const bytes = new Uint8Array(Buffer.concat(parts))
  const unpacked = unpackValue(bytes) as {
    members: Uint16Array
    again: Uint16Array
    generations: Float64Array
  }
  assert.deepEqual(unpacked, { members, again: Uint16Array.of(2), generations })
  for (const { buffer } of Object.values(unpacked)) assert.equal(buffer, bytes.buffer)
})

test('an array of another kind is a mistake, and told', () => {
  assert.throws(() => packValue({ wrong: new Float32Array(1) }), /Float32Array cannot be packed/)
})
