import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import { PROBLEM_CODES } from '@cellplane/contract'
import * as v from 'valibot'
import { routerConfigSchema } from '../config.ts'
import { HEADER_LINES_MAX } from '../http/head-scan.ts'
import { TARGET_BYTES_MAX } from '../http/request-scan.ts'
import { casesOf, DOCUMENT, readSpecification } from './specification.ts'

const text = readFileSync(DOCUMENT, 'utf8')
const sections = readSpecification()

/** Each is run by the suite of the same name, which `casesOf` fails when a row has no case, or a case no row. */
const SUITES = [
  'Refused',
  'Normalised',
  'Supported',
  'Answers of cells',
  'Refused for the moment',
  'Timeouts and limits',
]

test('every table of the document belongs to a suite', () => {
  const tables = [...sections].filter(([, rows]) => rows.length > 0).map(([heading]) => heading)
  assert.deepEqual(tables, SUITES)
})

test('an id stands for one case', () => {
  const ids = [...sections.values()].flat().map(({ id }) => id)
  assert.deepEqual([...new Set(ids)], ids)
})

test('every line of a table is read as a case', () => {
  const lines = text.split('\n').filter((line) => /^\| *`/.test(line))
  assert.equal([...sections.values()].flat().length, lines.length)
})

test('a row without a case fails, and a case without a row', () => {
  const all = Object.fromEntries(sections.get('Normalised')!.map(({ id }) => [id, true]))
  const { 'hop-by-hop': _, ...tooFew } = all
  assert.equal(casesOf('Normalised', all).length, Object.keys(all).length)
  assert.throws(() => casesOf('Normalised', tooFew), /row hop-by-hop has no case/)
  assert.throws(() => casesOf('Normalised', { ...all, 'not-there': true }), /case not-there has no row/)
})

test('the codes are the contract’s, with their statuses', () => {
  const problems = new Map<string, readonly [number, string]>(Object.entries(PROBLEM_CODES))
  for (const { id, status, code } of [...sections.values()].flat()) {
    if (code !== '') assert.equal(problems.get(code)?.[0], status, id)
  }
})

test('the limits that the document names have the values that it names', () => {
  const limits: Record<string, unknown> = v.parse(routerConfigSchema.entries.limits, {})
  const named = [...text.matchAll(/`([a-z_]+_(?:ms|max))` \((\d+)\)/g)]
  assert.ok(named.length > 10)
  for (const [, name, value] of named) assert.equal(limits[name!], Number(value), name!)
  assert.ok(text.includes(`more than ${HEADER_LINES_MAX} header lines`))
  assert.ok(text.includes(`more than ${TARGET_BYTES_MAX.toLocaleString('en')} bytes`))
})
