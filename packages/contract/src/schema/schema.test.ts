import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import * as v from 'valibot'
import { PROBLEMS_MAX } from '../problem.ts'
import {
  between,
  count,
  dateTime,
  finite,
  httpUrl,
  int,
  list,
  object,
  parseWith,
  positive,
  record,
  rule,
  strictObject,
  text,
  union,
} from './index.ts'

/** As `code path`, in their order. */
function findings(schema: v.GenericSchema, input: unknown): string[] {
  const result = parseWith(schema, input)
  return result.ok ? [] : result.problems.map(({ code, path }) => `${code} ${path}`.trim())
}

function message(schema: v.GenericSchema, input: unknown): string {
  const result = parseWith(schema, input)
  assert.ok(!result.ok)
  return result.problems[0]!.message
}

const point = strictObject({ x: v.number(), y: v.optional(v.number(), 7), name: v.optional(v.string()) })

describe('an object', () => {
  test('is given its defaults, and no field that was not given', () => {
    assert.deepEqual(parseWith(point, { x: 1 }), { ok: true, value: { x: 1, y: 7 } })
  })

  test('names every unknown field, and what else is wrong', () => {
    assert.deepEqual(findings(point, { x: 'a', a: 1, b: 2 }), [
      'INVALID_TYPE x',
      'UNKNOWN_FIELD a',
      'UNKNOWN_FIELD b',
    ])
  })

  test('says of a missing field what should be there', () => {
    assert.deepEqual(findings(point, {}), ['INVALID_TYPE x'])
    assert.equal(message(point, {}), 'found nothing; expected a number')
    assert.equal(message(object({ kind: v.picklist(['a', 'b']) }), {}), 'found nothing; expected "a" or "b"')
  })

  test('is neither a list nor null', () => {
    const allOptional = object({ a: v.optional(v.string()) })
    for (const input of [[], null, 'text', 7])
      assert.deepEqual(findings(allOptional, input), ['INVALID_TYPE'])
  })

  test('that is open leaves out what it does not know', () => {
    assert.deepEqual(parseWith(object({ x: v.number() }), { x: 1, z: 2 }), { ok: true, value: { x: 1 } })
  })

  test('has only fields of its own', () => {
    assert.deepEqual(findings(strictObject({ constructor: v.string() }), {}), ['INVALID_TYPE constructor'])
    assert.deepEqual(findings(point, JSON.parse('{ "x": 1, "__proto__": {} }')), ['UNKNOWN_FIELD __proto__'])
  })
})

describe('a record', () => {
  const env = record(v.pipe(v.string(), v.regex(/^[A-Z]+$/, 'upper case')), v.string())

  test('names each key and value that it cannot take', () => {
    assert.deepEqual(findings(env, { A: 'a', b: 'b', C: 1 }), ['INVALID_FORMAT b', 'INVALID_TYPE C'])
  })

  test('is no list, and takes no prototype', () => {
    assert.deepEqual(findings(env, ['a']), ['INVALID_TYPE'])
    assert.deepEqual(findings(record(v.string(), v.unknown()), JSON.parse('{ "__proto__": {} }')), [
      'INVALID_FORMAT __proto__',
    ])
  })
})

describe('a list', () => {
  test('has its bounds, and names its items by their place', () => {
    const pair = list(v.number(), 1, 2)
    assert.deepEqual(findings(pair, []), ['TOO_SMALL'])
    assert.deepEqual(findings(pair, [1, 2, 3]), ['TOO_LARGE'])
    assert.deepEqual(findings(list(point), [{ x: 1 }, { x: '' }]), ['INVALID_TYPE [1].x'])
  })

  test('of a million wrong items costs no million complaints', () => {
    const { issues } = v.safeParse(list(v.number()), Array(1_000_000).fill('wrong'))
    assert.equal(issues?.length, PROBLEMS_MAX)
    const unknown = Object.fromEntries(Array.from({ length: 1000 }, (_, i) => [`field-${i}`, 1]))
    assert.equal(findings(strictObject({}), unknown).length, PROBLEMS_MAX)
  })
})

describe('a union', () => {
  const source = union([strictObject({ file: text(1, 9) }), strictObject({ url: httpUrl, ttl: finite })])

  test('that fits nowhere reports the form that came closest', () => {
    assert.deepEqual(findings(source, { file: '' }), ['TOO_SMALL file'])
    assert.deepEqual(findings(source, { url: 'ftp://a', ttl: 1 }), ['INVALID_FORMAT url'])
    assert.deepEqual(findings(union([text(1, 9), list(v.string())]), ''), ['TOO_SMALL'])
    assert.deepEqual(findings(source, 7), ['INVALID_TYPE'])
  })
})

test('a variant says which of its forms there are', () => {
  const shape = v.variant('is', [
    strictObject({ is: v.literal('dot') }),
    strictObject({ is: v.literal('line'), length: positive }),
  ])
  assert.equal(message(shape, { is: 'square' }), 'found "square"; expected "dot" or "line"')
  assert.deepEqual(findings(shape, { is: 'line', length: 0 }), ['TOO_SMALL length'])
  assert.deepEqual(findings(shape, 'line'), ['INVALID_TYPE'])
})

test('numbers are finite, and whole ones exact', () => {
  for (const wrong of [Number.POSITIVE_INFINITY, Number.NaN, '1']) {
    assert.deepEqual(findings(finite, wrong), ['INVALID_TYPE'])
  }
  assert.deepEqual(findings(count, 1.5), ['INVALID_TYPE'])
  assert.deepEqual(findings(count, 2 ** 60), ['TOO_LARGE'])
  assert.deepEqual(findings(int(1, 9), 10), ['TOO_LARGE'])
  assert.equal(message(between(0, 1), -1), 'found -1; expected at least 0')
  assert.equal(message(positive, 0), 'found 0; expected more than 0')
  assert.equal(message(text(0, 2), 'abc'), 'found "abc"; expected at most 2 characters')
})

test('a URL is http or https, and has no space', () => {
  for (const good of ['http://a', 'https://a.b:1/c?d#e', 'HTTP://A'])
    assert.deepEqual(findings(httpUrl, good), [])
  for (const wrong of [
    'ftp://a',
    'a.b',
    '//a',
    'http:a',
    'http://',
    ' http://a',
    'http://a b',
    'http://a\n',
  ]) {
    assert.deepEqual(findings(httpUrl, wrong), ['INVALID_FORMAT'], wrong)
  }
})

test('a time is a real one, in UTC', () => {
  for (const good of ['2026-02-28T23:59:59Z', '2028-02-29T00:00:00.123456Z']) {
    assert.deepEqual(findings(dateTime, good), [], good)
  }
  for (const wrong of [
    '2026-02-29T00:00:00Z',
    '2026-13-01T00:00:00Z',
    '2026-01-01T24:00:00Z',
    '2026-01-01T00:00Z',
    '2026-01-01 00:00:00Z',
    '2026-01-01T00:00:00+00:00',
  ]) {
    assert.deepEqual(findings(dateTime, wrong), ['INVALID_FORMAT'], wrong)
  }
})

test('a rule brings its own code and words, and is not asked about what has the wrong type', () => {
  const even = v.pipe(
    v.number(),
    rule('ODD', (n) => (n % 2 === 0 ? undefined : `${n} is odd; take ${n + 1}`)),
  )
  assert.deepEqual(parseWith(even, 3), {
    ok: false,
    problems: [{ code: 'ODD', path: '', message: '3 is odd; take 4' }],
  })
  assert.deepEqual(findings(even, 'three'), ['INVALID_TYPE'])
})

test('what was found is told shortly', () => {
  assert.ok(message(v.number(), 'x'.repeat(10_000)).length < 100)
  assert.equal(message(v.string(), [1, 2]), 'found a list of 2; expected a text')
  assert.equal(message(v.string(), {}), 'found a mapping; expected a text')
})
