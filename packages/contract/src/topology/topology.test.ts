import assert from 'node:assert/strict'
import { generateKeyPairSync } from 'node:crypto'
import { test } from 'node:test'
import fc from 'fast-check'
import { parseTopologyBase, parseTopologyText, TOPOLOGY_BYTES_MAX } from './base.ts'
import { canonicalJson } from './canonical-json.ts'
import { keyIdOf, signDocument, trustedKeysOf, verifyDocument } from './signature.ts'
import { decodeTable, encodeTable } from './table.ts'

const pair = generateKeyPairSync('ed25519')
const keyId = keyIdOf(pair.privateKey)
const keys = new Map([[keyId, pair.publicKey]])

test('the canonical form is that of RFC 8785: sorted keys, no white space', () => {
  const example = {
    numbers: JSON.parse('[333333333.33333329, 1E30, 4.50, 2e-3, 0.000000000000000000000000001]'),
    string: '€$\u000f\nA\'B"\\\\"/',
    literals: [null, true, false],
  }
  assert.equal(
    canonicalJson(example),
    '{"literals":[null,true,false],"numbers":[333333333.3333333,1e+30,4.5,0.002,1e-27],"string":"€$\\u000f\\nA\'B\\"\\\\\\\\\\"/"}',
  )
})

test('the canonical form does not depend on the order of keys, nor on printing and parsing', () => {
  fc.assert(
    fc.property(fc.dictionary(fc.string(), fc.jsonValue()), (document) => {
      const shuffled = Object.fromEntries(Object.entries(document).reverse())
      assert.equal(canonicalJson(shuffled), canonicalJson(document))
      assert.equal(canonicalJson(JSON.parse(canonicalJson(document))), canonicalJson(document))
    }),
    { numRuns: 100 },
  )
})

test('the canonical form has the keys of every object in the order of their codes, whatever they are', () => {
  const key = fc.constantFrom('a', 'b', '10', '9', '__proto__', 'constructor', '\u{1f98a}', '\ufb00')
  fc.assert(
    fc.property(fc.array(fc.uniqueArray(key)), (shapes) => {
      const text = shapes.map((keys) => `{${keys.map((one) => `${JSON.stringify(one)}:1`)}}`)
      const sorted = shapes.map((keys) => `{${keys.toSorted().map((one) => `${JSON.stringify(one)}:1`)}}`)
      assert.equal(canonicalJson(JSON.parse(`[${text}]`)), `[${sorted}]`)
    }),
  )
})

test('the canonical form leaves its value as it was, whether or not it was in order', () => {
  const deep = {
    b: [{ a: 1, b: { d: [1, { y: 1, x: 2 }], c: 3 } }, { a: 1 }, {}],
    a: [[{}]],
    c: { b: 1, a: 2 },
  }
  const before = JSON.stringify(deep)
  const canonical = canonicalJson(deep)
  assert.equal(
    canonical,
    '{"a":[[{}]],"b":[{"a":1,"b":{"c":3,"d":[1,{"x":2,"y":1}]}},{"a":1},{}],"c":{"a":2,"b":1}}',
  )
  assert.equal(JSON.stringify(deep), before)
  assert.equal(canonicalJson(JSON.parse(canonical)), canonical)
})

test('a signature fits its document and no other', () => {
  const signed = signDocument({ version: 3, cells: ['a', 'b'] }, keyId, pair.privateKey)
  assert.ok(verifyDocument(signed, keys).ok)
  const changed = verifyDocument({ ...signed, version: 4 }, keys)
  assert.ok(!changed.ok && changed.problems[0]!.code === 'TOPOLOGY_SIGNATURE_INVALID')
  const foreign = signDocument({ version: 3 }, 'another', pair.privateKey)
  const unknown = verifyDocument(foreign, keys)
  assert.ok(!unknown.ok && unknown.problems[0]!.code === 'TOPOLOGY_KEY_UNKNOWN')
})

test('a JWK set becomes trusted keys under the same key id; anything else is refused', () => {
  const jwks = { keys: [pair.publicKey.export({ format: 'jwk' })] }
  const trusted = trustedKeysOf(jwks)
  assert.ok(trusted.ok && trusted.value.has(keyId))
  for (const bad of [
    null,
    {},
    { keys: [] },
    { keys: [{ kty: 'RSA' }] },
    { keys: [{ kty: 'OKP', crv: 'Ed25519', x: '!' }] },
  ]) {
    assert.equal(trustedKeysOf(bad).ok, false, JSON.stringify(bad))
  }
})

test('a table survives its wire form, and one of the wrong size is refused', () => {
  const slots = Uint16Array.from({ length: 64 }, (_, i) => (i * 1021) & 0xffff)
  const decoded = decodeTable(encodeTable(slots), 32, 2)
  assert.deepEqual(decoded, { ok: true, value: slots })
  const short = decodeTable(encodeTable(slots.subarray(1)), 32, 2)
  assert.ok(!short.ok && short.problems[0]!.code === 'TOPOLOGY_TABLE_SIZE')
})

test('topology text that is too large, cut off, or of another format is refused with its own code', () => {
  const code = (text: string) => {
    const result = parseTopologyText(text, parseTopologyBase)
    return result.ok ? 'accepted' : result.problems[0]!.code
  }
  assert.equal(code('x'.repeat(TOPOLOGY_BYTES_MAX + 1)), 'TOPOLOGY_TOO_LARGE')
  assert.equal(code('{"format":1,"kind":"ba'), 'TOPOLOGY_NOT_JSON')
  assert.equal(code('{"format":2,"kind":"base"}'), 'TOPOLOGY_FORMAT_UNKNOWN')
  assert.equal(code('[]'), 'INVALID_TYPE')
})
