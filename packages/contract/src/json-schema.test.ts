import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as v from 'valibot'
import { OPERATIONS } from './api/index.ts'
import { jsonSchemaOf } from './json-schema.ts'
import { about, dateTime, httpUrl, int, list, record, strictObject, text } from './schema/index.ts'

test('limits, patterns, defaults and descriptions are printed', () => {
  const schema = strictObject({
    name: text(1, 9),
    count: v.optional(about(int(2, 5), 'How many.'), 3),
    label: v.pipe(v.string(), v.regex(/^[a-z]$/, 'a letter')),
    url: httpUrl,
    times: list(dateTime, 1, 2),
    env: v.optional(record(v.string(), v.boolean()), {}),
    next: v.nullable(int()),
  })
  assert.deepEqual(jsonSchemaOf(schema), {
    type: 'object',
    additionalProperties: false,
    required: ['name', 'label', 'url', 'times', 'next'],
    properties: {
      name: { type: 'string', minLength: 1, maxLength: 9 },
      count: { type: 'integer', minimum: 2, maximum: 5, default: 3, description: 'How many.' },
      label: { type: 'string', pattern: '^[a-z]$' },
      url: { type: 'string', format: 'uri' },
      times: { type: 'array', items: { type: 'string', format: 'date-time' }, minItems: 1, maxItems: 2 },
      env: {
        type: 'object',
        propertyNames: { type: 'string' },
        additionalProperties: { type: 'boolean' },
        default: {},
      },
      next: { anyOf: [{ type: 'integer' }, { type: 'null' }] },
    },
  })
})

test('an action that cannot be printed is an error, and not left out', () => {
  assert.throws(() => jsonSchemaOf(v.pipe(v.string(), v.creditCard())), /credit_card/)
})

test('what has an id is a component, and referred to', () => {
  const components: Record<string, unknown> = {}
  const cells = jsonSchemaOf(OPERATIONS.listCells.answer, components)
  assert.deepEqual(cells['properties'], {
    cells: { type: 'array', items: { $ref: '#/components/schemas/CellView' } },
  })
  assert.deepEqual(Object.keys(components), ['CellView'])
  assert.equal((components['CellView'] as { type: string }).type, 'object')
})

test('a number in a query is printed as a number', () => {
  const limit = jsonSchemaOf(OPERATIONS.listTenants.query.entries.limit)
  assert.deepEqual(limit, { type: 'integer', minimum: 1, maximum: 1000, default: 100 })
})
