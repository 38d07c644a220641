import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { FleetStatus } from '@cellplane/contract/api'
import { progressOf } from './serving.ts'

type CellStatus = FleetStatus['cells'][number]

const cell = (id: string, more: Partial<CellStatus> = {}): CellStatus => ({
  ...{ id, slot: 0, role: 'serving', zone: 'a', state: 'active', health: 'healthy', reason: '' },
  ...{ endpoint: null, undelivered: 0, problem: null },
  ...more,
})

const statusWith = (cells: CellStatus[]): FleetStatus => ({
  ...{ fleet: 'shop', kind: 'stateless', epoch: 1, base: null, overlay: null, tenants: 0 },
  ...{
    automation: { is_frozen: false, reason: '', problems: [] },
    routers: [],
    hosts: [],
    blast_radius: null,
  },
  cells,
})

test('cells that the file does not declare any more are waited for by nobody, and counted as the fleet’s', () => {
  const cells = [
    ...['cell-001', 'cell-002', 'cell-003'].map((id) => cell(id)),
    cell('cell-004', { state: 'retired' }),
    cell('quarantine', { role: 'quarantine' }),
  ]
  const progress = progressOf(statusWith(cells), {
    cells: ['cell-001', 'cell-002', 'quarantine'],
    routers: 0,
  })
  assert.deepEqual([progress.cellsServing, progress.cellsExpected, progress.cellsPlaced], [3, 3, 3])
  assert.deepEqual(progress.missing, [])
})

test('what is missing is a sentence each, with the control plane’s reason', () => {
  const broken = cell('cell-002', { state: 'provisioning', health: 'unknown', problem: 'does not serve yet' })
  const { missing } = progressOf(statusWith([cell('cell-001'), broken]), {
    cells: ['cell-001', 'cell-002', 'cell-003'],
    routers: 1,
  })
  assert.deepEqual(missing, [
    'cell-002 is provisioning: does not serve yet',
    'cell-003 is not registered',
    '0 of 1 routers route by the newest topology',
  ])
})
