import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { hashKeySigned } from '../hash/bucket.ts'
import { buildOverrideIndex, findOverride } from './override-index.ts'

test('every tenant is found, and no other', () => {
  fc.assert(
    fc.property(fc.uniqueArray(fc.string(), { maxLength: 200 }), fc.nat(), (names, seed) => {
      const hashOf = (tenant: string) => hashKeySigned(tenant, seed)
      const tenants = names.slice(0, names.length / 2)
      const index = buildOverrideIndex(tenants, hashOf)
      for (const [i, name] of names.entries()) {
        assert.equal(findOverride(index, name, hashOf(name)), i < tenants.length ? i : -1)
      }
    }),
    { numRuns: 100 },
  )
})

test('tenants whose hashes all collide are found, with a bounded search', () => {
  const tenants = Array.from({ length: 1000 }, (_, i) => `tenant-${i}`)
  for (const hash of [0, -1, 0x7fff_ffff]) {
    const index = buildOverrideIndex(tenants, () => hash)
    for (const [i, tenant] of tenants.entries()) assert.equal(findOverride(index, tenant, hash), i)
    assert.equal(findOverride(index, 'another', hash), -1)
    assert.equal(index.overflow.length, 1000 - 64)
  }
})

test('a tenant that stands before as well is named, wherever the first one lies', () => {
  const someNames = fc.array(fc.constantFrom(...Array.from({ length: 150 }, (_, i) => `tenant-${i}`)), {
    maxLength: 400,
    size: 'max',
  })
  const hashes: ((tenant: string) => number)[] = [
    (tenant) => hashKeySigned(tenant, 1),
    // All collide, so that most lie in the overflow; or those do that are one of a few kinds.
    () => -1,
    (tenant) => tenant.length,
  ]
  fc.assert(
    fc.property(someNames, fc.constantFrom(...hashes), (tenants, hashOf) => {
      const repeated: number[] = []
      buildOverrideIndex(tenants, hashOf, repeated)
      const expected = [...tenants.keys()].filter((i) => tenants.indexOf(tenants[i]!) < i)
      assert.deepEqual(repeated, expected)
    }),
    { numRuns: 200 },
  )
})
