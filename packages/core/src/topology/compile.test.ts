import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { type Cell, parseTopologyBase } from '@cellplane/contract'
import { type BaseInput, compileBase, placementPolicyOf } from './compile.ts'
import { diffBases } from './diff.ts'
import { exampleBase, exampleCell, exampleFleet, placeable, SINCE, tableOf } from './example-fleet.ts'

const FLEET = exampleFleet()
const CELLS = [0, 1, 2, 3].map((slot) => exampleCell(slot))

function findings(cells: readonly Cell[], table: Uint16Array, more: Partial<BaseInput> = {}): string[] {
  const result = compileBase({
    fleet: FLEET,
    cells,
    table,
    formerTables: [],
    formerOverrides: [],
    overrides: [],
    tokens: null,
    epoch: 1,
    version: 1,
    issuedAt: SINCE,
    ...more,
  })
  return result.ok ? [] : result.problems.map((p) => p.code)
}

describe('a compiled base', () => {
  test('has the shape of the contract', () => {
    const signature = { algorithm: 'Ed25519', key_id: 'k', value: 'v' }
    assert.deepEqual(parseTopologyBase({ ...exampleBase(), signature }).ok, true)
  })

  test('is the same for the same state, in whatever order the registry lists it', () => {
    assert.deepEqual(exampleBase({ cells: CELLS.toReversed() }), exampleBase({ cells: CELLS }))
  })

  test('leaves out cells that are not there yet or any more', () => {
    const { cells } = exampleBase({
      cells: [
        ...CELLS,
        exampleCell(4, { state: 'provisioning', endpoint: null }),
        exampleCell(5, { state: 'ready' }),
        exampleCell(6, { state: 'retired' }),
        exampleCell(7, { state: 'drained' }),
      ],
    })
    assert.deepEqual(
      cells.map((cell) => cell.slot),
      [0, 1, 2, 3, 7],
    )
  })

  test('names the quarantine cell only while it is active', () => {
    assert.equal(exampleBase().quarantine.cell, 4)
    const absorber = exampleCell(4, { role: 'quarantine', state: 'draining' })
    assert.equal(exampleBase({ cells: [...CELLS, absorber] }).quarantine.cell, null)
  })

  test('takes its seed from the fleet’s name unless one is given', () => {
    assert.notEqual(placementPolicyOf(FLEET).seed, placementPolicyOf(exampleFleet({ fleet: 'bank' })).seed)
    assert.equal(placementPolicyOf(exampleFleet({ placement: { seed: 9 } })).seed, 9)
  })
})

test('a base says how requests are delivered and where clients reach a cell only when that is not the usual', () => {
  const usual = exampleBase()
  assert.equal('delivery' in usual, false)
  assert.deepEqual(usual.cells[0]!.endpoints, { http: 'http://127.0.0.1:7500' })
  const cells = [...CELLS.slice(1), exampleCell(0, { public_url: 'https://cell-0.example.com' })]
  const base = exampleBase({ fleet: exampleFleet({ delivery: 'redirect' }), cells })
  assert.equal(base.delivery, 'redirect')
  assert.equal(base.cells[0]!.endpoints.public_http, 'https://cell-0.example.com')
})

test('a base has the rules of every kind that a router can read', () => {
  const rules = [
    { from: 'header', name: 'x-tenant' },
    { from: 'jwt', claim: 'sub', normalise: 'lower-case' },
    { from: 'subdomain', domain: 'example.com' },
    { from: 'sni', domain: 'example.com' },
    { from: 'path', prefix: '/t/' },
    { from: 'query', name: 'tenant' },
    { from: 'cookie', name: 'tenant', normalise: 'none' },
  ]
  const fleet = exampleFleet({ partition_key: { rules } })
  assert.deepEqual(exampleBase({ fleet }).partition_key, rules)
})

describe('a base is not compiled', () => {
  const table = tableOf(FLEET, CELLS)

  test('while its table has places on a cell that is not active or not for serving', () => {
    assert.deepEqual(findings(CELLS, table), [])
    const draining = CELLS.map((cell) => (cell.slot === 2 ? { ...cell, state: 'draining' as const } : cell))
    assert.deepEqual(findings(draining, table), ['TOPOLOGY_CELL_NOT_ACTIVE'])
    const absorbing = CELLS.map((cell) => (cell.slot === 2 ? { ...cell, role: 'quarantine' as const } : cell))
    assert.deepEqual(findings(absorbing, table), ['TOPOLOGY_CELL_NOT_ACTIVE'])
  })

  test('with an active cell whose endpoint is not known', () => {
    const cells = [...CELLS, exampleCell(4, { endpoint: null })]
    assert.deepEqual(findings(cells, table), ['TOPOLOGY_CELL_WITHOUT_ENDPOINT'])
  })

  test('with an override to a cell that is retired, or a former table of another size', () => {
    const overrides = [{ tenant: 'acme', cells: [9], reason: 'pin' as const, generation: 0 }]
    assert.deepEqual(findings(CELLS, table, { overrides }), ['TOPOLOGY_OVERRIDE_MISFIT'])
    const formerTables = [{ version: 1, until: SINCE, table: table.subarray(2) }]
    assert.deepEqual(findings(CELLS, table, { formerTables }), ['TOPOLOGY_TABLE_SIZE'])
  })
})

describe('the difference of two bases', () => {
  test('is empty for the same content under another version', () => {
    assert.deepEqual(
      diffBases(exampleBase(), exampleBase({ version: 2, issuedAt: '2026-02-02T00:00:00Z' })).lines,
      [],
    )
  })

  test('says what a drain moves', () => {
    const drained = CELLS.map((cell) => (cell.slot === 2 ? { ...cell, state: 'draining' as const } : cell))
    const diff = diffBases(
      exampleBase({ cells: CELLS }),
      exampleBase({ cells: drained, table: tableOf(FLEET, placeable(drained)) }),
    )
    assert.deepEqual(diff.statesChanged, [{ id: 'cell-2', before: 'active', after: 'draining' }])
    assert.ok(diff.placement && diff.placement.movedPlaces >= 128 && diff.placement.movedHomes >= 64)
    assert.match(
      diff.lines.join('\n'),
      /cell cell-2: active → draining\n\d+ of 512 places move \(\d+\.\d %\), \d+ of 256 homes/,
    )
  })

  test('names cells, overrides, routes and other fields', () => {
    const pin = (tenant: string, cells: number[]) => ({
      tenant,
      cells,
      reason: 'pin' as const,
      generation: 0,
    })
    const before = exampleBase({ cells: CELLS, overrides: [pin('a', [0]), pin('b', [1])] })
    const after = exampleBase({
      fleet: exampleFleet({ routes: [], placement: { buckets: 256, choice: 'least-loaded' } }),
      cells: [
        ...CELLS.map((cell) => (cell.slot === 1 ? { ...cell, release: 'r2' } : cell)),
        exampleCell(8, { state: 'drained' }),
      ],
      overrides: [pin('b', [2, 1]), pin('c', [3])],
      table: tableOf(FLEET, CELLS),
    })
    assert.deepEqual(diffBases(before, after).lines, [
      'cell cell-8 is new',
      'cell cell-1: other release',
      'override for c: new pin',
      'override for a: pin taken off',
      'override for b: pin 1 → pin 2+1',
      'routes: 1 → 0, or other policies',
      'other choice',
    ])
    assert.deepEqual(diffBases(after, before).cellsRemoved, ['cell-8'])
  })

  test('does not compare tables that are made differently', () => {
    const other = exampleBase({ fleet: exampleFleet({ placement: { buckets: 512 } }) })
    const diff = diffBases(exampleBase(), other)
    assert.equal(diff.placement, null)
    assert.match(diff.lines.join('\n'), /all tenants are placed anew/)
  })
})
