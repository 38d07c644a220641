import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import { DOCUMENT, faultsOf, readFaults } from './specification.ts'

const text = readFileSync(DOCUMENT, 'utf8')
const sections = readFaults()

/** Each is run by a suite, which `faultsOf` fails when a row has no test, or a test no row. */
const SUITES = ['The control plane', 'Documents', 'Cells', 'Clients', 'Processes']

test('every table of the document belongs to a suite', () => {
  const tables = [...sections].filter(([, rows]) => rows.length > 0).map(([heading]) => heading)
  assert.deepEqual(tables, SUITES)
})

test('a name stands for one test, and every line of a table is read as one', () => {
  const names = [...sections.values()].flat()
  assert.deepEqual([...new Set(names)], names)
  assert.equal(names.length, text.split('\n').filter((line) => /^\| *`/.test(line)).length)
})

test('every row has all of its columns', () => {
  for (const line of text.split('\n').filter((line) => /^\| *`/.test(line))) {
    const columns = line.split('|').slice(1, -1)
    assert.equal(columns.length, 5, line)
    assert.ok(
      columns.every((column) => column.trim() !== ''),
      line,
    )
  }
})

test('a row without a test fails, and a test without a row', () => {
  const ids = sections.get('Clients')!.map((name) => name.slice(0, name.indexOf(':')))
  const all = Object.fromEntries(ids.map((id) => [id, true]))
  const { 'slowloris-2000': _, ...tooFew } = all
  assert.equal(faultsOf('Clients', all).length, ids.length)
  assert.throws(() => faultsOf('Clients', tooFew), /row slowloris-2000 has no test/)
  assert.throws(() => faultsOf('Clients', { ...all, 'not-there': true }), /not-there has a test and no row/)
})
