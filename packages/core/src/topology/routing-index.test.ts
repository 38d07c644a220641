import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { encodeTable, type UnsignedTopologyBase } from '@cellplane/contract'
import { exampleBase, exampleCell, SINCE, unwrap } from './example-fleet.ts'
import { buildRoutingIndex } from './pack-index.ts'

function findings(change: Partial<UnsignedTopologyBase>): string[] {
  const result = buildRoutingIndex({ ...exampleBase(), ...change })
  return result.ok ? [] : result.problems.map((p) => `${p.code} ${p.path}`)
}

const base = exampleBase()

test('slots become dense indexes, and both slots and ids are found', () => {
  const cells = [3, 7, 9].map((slot) => exampleCell(slot))
  const index = unwrap(buildRoutingIndex(exampleBase({ cells })))
  assert.deepEqual(
    index.cells.map((cell) => [cell.index, cell.slot, cell.id, cell.url]),
    [
      [0, 3, 'cell-3', 'http://127.0.0.1:7503'],
      [1, 7, 'cell-7', 'http://127.0.0.1:7507'],
      [2, 9, 'cell-9', 'http://127.0.0.1:7509'],
    ],
  )
  assert.equal(index.indexOfSlot(9), 2)
  assert.equal(index.indexOfCell('cell-7'), 1)
  assert.equal(index.indexOfSlot(8), -1)
  assert.equal(index.indexOfSlot(1e6), -1)
  assert.equal(index.indexOfCell('cell-8'), -1)
})

describe('a base is refused', () => {
  test('when its table has the wrong size', () => {
    assert.deepEqual(findings({ table: base.table.slice(4) }), ['TOPOLOGY_TABLE_SIZE table'])
    assert.deepEqual(findings({ shard_size: 3 }), ['TOPOLOGY_TABLE_SIZE table'])
  })

  test('when its table names a cell that it does not have, or one cell twice in a row', () => {
    const foreign = new Uint16Array(512).map((_, i) => (i === 100 ? 77 : i % 2))
    assert.deepEqual(findings({ table: encodeTable(foreign) }), ['TOPOLOGY_TABLE_MISFIT table'])
    const doubled = new Uint16Array(512).map((_, i) => (i === 101 ? 0 : i % 2))
    assert.deepEqual(findings({ table: encodeTable(doubled) }), ['TOPOLOGY_TABLE_MISFIT table'])
  })

  test('when a former table has the wrong size; a cell that is gone does not matter there', () => {
    const former = (table: string) => [{ version: 1, until: SINCE, table }]
    assert.deepEqual(findings({ former_tables: former('AAAA') }), [
      'TOPOLOGY_TABLE_SIZE former_tables[0].table',
    ])
    assert.deepEqual(findings({ former_tables: former(encodeTable(new Uint16Array(512).fill(500))) }), [])
  })

  test('when a tenant has two former overrides; a cell that is gone does not matter there', () => {
    const former = (tenant: string) => ({ tenant, cells: [0, 500], until: SINCE })
    assert.deepEqual(findings({ former_overrides: [former('a'), former('b'), former('a')] }), [
      'TOPOLOGY_OVERRIDE_MISFIT former_overrides[2]',
    ])
    assert.deepEqual(findings({ former_overrides: [former('a'), former('b')] }), [])
  })

  test('when an override has an unknown cell, a cell twice, or a tenant that has another one', () => {
    const override = (tenant: string, cells: number[]) => ({
      tenant,
      cells,
      reason: 'pin' as const,
      generation: 0,
    })
    assert.deepEqual(
      findings({
        overrides: [
          override('a', [99]),
          override('b', [1, 1]),
          override('c', [1]),
          override('c', [2]),
          override('d', [0, 4]),
        ],
      }),
      [
        'TOPOLOGY_OVERRIDE_MISFIT overrides[0]',
        'TOPOLOGY_OVERRIDE_MISFIT overrides[1]',
        'TOPOLOGY_OVERRIDE_MISFIT overrides[3]',
      ],
    )
  })

  test('when two cells have one slot or one id', () => {
    assert.deepEqual(findings({ cells: [...base.cells, { ...base.cells[0]!, id: 'other' }] }), [
      'TOPOLOGY_CELL_DUPLICATE cells[5]',
    ])
    assert.deepEqual(findings({ cells: [...base.cells, { ...base.cells[0]!, slot: 9 }] }), [
      'TOPOLOGY_CELL_DUPLICATE cells[5]',
    ])
  })

  test('when its quarantine cell is unknown', () => {
    assert.deepEqual(findings({ quarantine: { cell: 50 } }), ['TOPOLOGY_CELL_UNKNOWN quarantine.cell'])
  })
})
