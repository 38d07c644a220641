import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import * as v from 'valibot'
import { formerOverrideSchema, overrideSchema } from '../topology/base.ts'
import { asItIs } from './as-it-is.ts'
import { list, longList, parseWith, strictObject, text } from './index.ts'

const override = { tenant: 'a', cells: [0, 65_534], reason: 'pin', generation: 0 }
const former = { tenant: 'é', cells: [7], until: '2026-03-01T12:00:00Z' }

/** Each of the fields as it should be, or at its limits, beyond them, of another type, or missing; or one that nobody knows. */
function nearly(good: object) {
  const fields: Record<string, fc.Arbitrary<unknown>> = { more: fc.constant(1) }
  for (const [key, value] of Object.entries(good)) fields[key] = fc.oneof(fc.constant(value), anything)
  return fc.record(fields, { requiredKeys: Object.keys(good).slice(1), noNullPrototype: true })
}
const number = fc.oneof(
  fc.integer(),
  fc.double(),
  fc.constantFrom(-1, 65_534, 65_535, 2 ** 53, Number.POSITIVE_INFINITY),
)
const anything = fc.oneof(
  number,
  fc.array(number, { maxLength: 10 }),
  fc.constantFrom('', 'a b', ' a', 'a'.repeat(257), '\ud800', 'pin', 'pins', null, {}, [], [[0]]),
)

for (const [name, schema, good] of [
  ['an override', overrideSchema, override],
  ['a former override', formerOverrideSchema, former],
] as const) {
  test(`${name} is taken as it is when its schema gives the same back, and only then`, () => {
    const test = asItIs(schema)!
    assert.ok(test(good))
    assert.ok(!test({ ...good, ...JSON.parse('{ "__proto__": {} }') }))
    fc.assert(
      fc.property(fc.oneof(nearly(good), fc.jsonValue()), (input) => {
        const read = parseWith<unknown>(schema, input)
        assert.equal(test(input), read.ok)
        if (read.ok) assert.deepEqual(read.value, input)
      }),
      { numRuns: 2_000 },
    )
  })
}

test('what a schema would change is not taken as it is', () => {
  const changing = [
    v.pipe(v.string(), v.trim()),
    strictObject({ a: v.optional(v.number(), 1) }),
    v.nullable(v.number()),
    list(v.pipe(v.number(), v.transform(String))),
  ]
  for (const schema of changing) assert.equal(asItIs(schema), undefined)
  assert.deepEqual(parseWith(longList(changing[0]!, 2), [' a']), { ok: true, value: ['a'] })
})

test('a field that may be left out may be, and no other', () => {
  const test = asItIs(strictObject({ a: text(1, 2), b: v.optional(text(1, 2)) }))!
  assert.deepEqual(
    [{ a: 'a' }, { b: 'b', a: 'a' }, { b: 'b' }, { a: 'a', b: '' }, { a: 'a', b: 'b', c: 'c' }].map(test),
    [true, true, false, false, false],
  )
})

test('a long list copies no item that it need not, and names the others by their place', () => {
  const items = [override, { ...override, cells: [] }, { ...override, more: 1 }, override]
  const read = parseWith(longList(overrideSchema, 9), items)
  assert.deepEqual(read.ok ? [] : read.problems.map(({ code, path }) => `${code} ${path}`), [
    'TOO_SMALL [1].cells',
    'UNKNOWN_FIELD [2].more',
  ])
  const good = parseWith(longList(overrideSchema, 9), [override])
  assert.ok(good.ok && good.value[0] === override)
  assert.ok(!parseWith(longList(overrideSchema, 1), [override, override]).ok)
})
