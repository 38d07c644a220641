import assert from 'node:assert/strict'
import { test } from 'node:test'
import { printable, printableLine } from './printable.ts'
import { formatPairs, formatTable } from './table.ts'

type Row = { id: string; n: number; note: string }
const COLUMNS = [
  { title: 'ID', value: (row: Row) => row.id },
  { title: 'N', value: (row: Row) => String(row.n), align: 'right' as const },
  { title: 'NOTE', value: (row: Row) => row.note, isFlexible: true },
]

test('columns are as wide as what they hold, numbers stand to the right, and no line ends in spaces', () => {
  const rows = [
    { id: 'cell-001', n: 5, note: 'fine' },
    { id: 'q', n: 12345, note: '' },
  ]
  assert.equal(
    formatTable(rows, COLUMNS, 80),
    ['ID            N  NOTE', 'cell-001      5  fine', 'q         12345'].join('\n'),
  )
})

test('the flexible column gives way where the table is too wide, and only there', () => {
  const rows = [{ id: 'cell-001', n: 1, note: 'x'.repeat(100) }]
  const lines = formatTable(rows, COLUMNS, 40).split('\n')
  assert.ok(lines.every((line) => line.length <= 40))
  assert.match(lines[1]!, /^cell-001 {2}1 {2}x+…$/)
  assert.ok(formatTable(rows, COLUMNS, undefined).includes('x'.repeat(100)))
})

test('a table without rows is its heading', () => {
  assert.equal(formatTable([], COLUMNS, 80), 'ID  N  NOTE')
})

test('what comes from outside cannot drive the terminal', () => {
  const evil = 'acme\u001b[2J\u0007\u009b31m\u202eevil\r\nnext'
  assert.equal(printableLine(evil), 'acme\\u{1b}[2J\\u{7}\\u{9b}31m\\u{202e}evil\\u{d} next')
  assert.equal(printable('one\ntwo'), 'one\ntwo')
  const table = formatTable([{ id: evil, n: 1, note: 'a\nb' }], COLUMNS, undefined)
  assert.ok(!table.includes('\u001b'))
  assert.equal(table.split('\n').length, 2)
})

test('pairs stand under each other, and so do further lines of a value', () => {
  assert.equal(
    formatPairs([
      ['a', '1'],
      ['long', '2\n3'],
    ]),
    ['a     1', 'long  2', '      3'].join('\n'),
  )
})
