import assert from 'node:assert/strict'
import { test } from 'node:test'
import { stripVTControlCharacters } from 'node:util'
import type { PlacementPlan } from '@cellplane/contract/api'
import { formatPlacementPlan } from './placement-plan.ts'

const radius = { worst_cell_touched: 0.5, worst_cell_lost: 0, worst_pair_lost: 0.1 }
const PLAN: PlacementPlan = {
  plan: '3f2a91c07b55',
  kind: 'merge',
  base_version: 7,
  moved: { places: 12, of_places: 512, homes: 5, of_homes: 256 },
  load_hours: 24,
  traffic_share: 0.042,
  tenants: { count: 3, named: ['acme', 'glo\u001bbex'] },
  would_migrate: [],
  cells: [
    {
      ...{ id: 'cell-001', weight_before: 10, weight_after: 8.5, places_before: 100, places_after: 88 },
      ...{ load_before: 0.4, load_after: 0.3, part: 0.25, drains: true },
    },
  ],
  blast_radius: { before: radius, after: { ...radius, worst_cell_touched: 0.4 } },
  notes: ['4 buckets go elsewhere'],
  exceeded: [],
}

const lines = (plan: PlacementPlan) =>
  stripVTControlCharacters(formatPlacementPlan(plan, 'cellplane rebalance')).split('\n')

test('a plan says what moves, what it does to the blast radius, and how to apply it', () => {
  assert.deepEqual(lines(PLAN), [
    'plan            3f2a91c07b55',
    'places          12 of 512 move, 5 of 256 homes',
    'traffic         4.2 % gets another cell',
    'loads           requests of the last 24 h, the older the less they count',
    'tenants         3 registered tenants: acme, glo\\u{1b}bex and 1 more',
    'loss of a cell  touches 50.0 % → 40.0 %, stops 0.0 %',
    'loss of a pair  stops 10.0 %',
    'budget          within it',
    '',
    'CELL        PLACES    WEIGHT    LOAD    THEN    PART  NOTE',
    'cell-001  100 → 88  10 → 8.5  40.0 %  30.0 %  25.0 %  drains',
    '',
    '4 buckets go elsewhere',
    '',
    'apply it: cellplane rebalance --apply 3f2a91c07b55 --reason "…"',
  ])
})

test('a plan without loads has no columns for them', () => {
  const cells = PLAN.cells.map((cell) => ({ ...cell, load_before: null, load_after: null, part: null }))
  const printed = lines({ ...PLAN, cells })
  assert.ok(printed.includes('CELL        PLACES    WEIGHT  NOTE'), printed.join('\n'))
  assert.ok(printed.includes('cell-001  100 → 88  10 → 8.5  drains'), printed.join('\n'))
})

test('one over the budget says what it exceeds and that it takes force; an empty one has nothing to apply', () => {
  const over = lines({ ...PLAN, exceeded: ['2 of 4 cells lose all'] })
  assert.ok(over.includes('budget          2 of 4 cells lose all'))
  assert.match(over.at(-1)!, /--apply 3f2a91c07b55 --force --reason/)
  assert.equal(lines({ ...PLAN, plan: null }).at(-1), '4 buckets go elsewhere')
})
