import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createProgram } from '../program.ts'
import { completionsFor } from './candidates.ts'

const complete = (...words: string[]) =>
  completionsFor(createProgram('0.0.0'), words, async () => ['cell-001', 'cell-002', 'quarantine'])

test('commands complete, hidden ones do not', async () => {
  const all = await complete('')
  assert.deepEqual(
    [
      'automation',
      'cell',
      'completion',
      'down',
      'init',
      'keys',
      'logs',
      'observability',
      'plan',
      'rebalance',
      'report',
      'status',
      'tenant',
      'token',
      'top',
      'topology',
      'up',
      'zone',
    ],
    all,
  )
  assert.deepEqual(await complete('cell', ''), [
    ...['add', 'drain', 'list', 'merge', 'retire', 'set', 'show', 'split', 'undrain'],
  ])
  assert.deepEqual(await complete('zone', ''), ['evacuate', 'restore'])
  assert.deepEqual(await complete('to'), ['token', 'top', 'topology'])
  assert.deepEqual(await complete('nonsense', 'x'), [])
})

test('commands of a group complete with their flags', async () => {
  assert.deepEqual(await complete('tenant', 're'), ['register', 'release'])
  assert.deepEqual(await complete('tenant', 'quarantine', 'acme', '--r'), ['--reason'])
  assert.deepEqual(await complete('tenant', 'list', '--q'), ['--quarantined'])
})

test('flags complete, after flags with values too', async () => {
  assert.deepEqual(
    await complete('up', '--ce'),
    ['--cell-port-base', '--cells'].filter((flag) => flag.startsWith('--ce')),
  )
  assert.ok((await complete('up', '--cells', '4', '--de')).includes('--detach'))
  assert.deepEqual(await complete('up', '--cells', ''), [])
})

test('cell ids complete as arguments and as values', async () => {
  assert.deepEqual(await complete('cell', 'drain', 'cell-'), ['cell-001', 'cell-002'])
  assert.deepEqual(await complete('tenant', 'pin', 'acme', 'cell-001', ''), ['cell-002', 'quarantine'])
  assert.deepEqual(await complete('logs', '--cell', 'q'), ['quarantine'])
  assert.deepEqual(await complete('cell', 'split', 'cell-001', '--into', 'q'), ['quarantine'])
  assert.deepEqual(await complete('cell', 'drain', 'cell-001', ''), ['cell-002', 'quarantine'])
  assert.deepEqual(await complete('cell', 'retire', 'cell-001', ''), [])
})

test('the shells of `completion` complete', async () => {
  assert.deepEqual(await complete('completion', ''), ['bash', 'fish', 'zsh'])
})
