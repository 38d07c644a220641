import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Override } from '@cellplane/contract'
import { exampleFleet } from '../fixtures/control-fixture.ts'
import { planDeclarations } from '../registry/declare.ts'
import { inState } from '../registry/plan-lifecycle.ts'
import { planMigrations } from './plan-migrations.ts'

const NOW = Date.UTC(2026, 0, 1)
const fleet = exampleFleet({ kind: 'stateful', cells: { count: 3 }, quarantine: { enabled: false } })
const registered = planDeclarations(fleet, [], 'local', NOW).map(({ stored }) => ({
  ...stored,
  cell: inState(stored.cell, 'active', NOW),
}))

const assigned = (tenant: string, slot: number): Override => {
  return { tenant, cells: [slot], reason: 'assignment', generation: 1 }
}

function planOf(homes: Record<string, [slot: number, requests: number]>) {
  const overrides = Object.entries(homes).map(([tenant, [slot]]) => assigned(tenant, slot))
  const tenants = Object.entries(homes).map(([tenant, [, requests]]) => {
    return { tenant, is_registered: true, requests }
  })
  return planMigrations({ registered, overrides, tenants }, () => 1)
}

test('the heaviest tenants that do not overshoot would go from the hottest home to the coolest', () => {
  const found = planOf({ a: [0, 50], b: [0, 30], c: [0, 10], d: [1, 20], e: [2, 10] })
  assert.deepEqual(found, [
    { tenant: 'b', from: 'cell-001', to: 'cell-003' },
    { tenant: 'c', from: 'cell-001', to: 'cell-002' },
  ])
})

test('one tenant that is most of the load is not moved about, and an even fleet is left alone', () => {
  assert.deepEqual(planOf({ a: [0, 100], b: [1, 1], c: [2, 1] }), [])
  assert.deepEqual(planOf({ a: [0, 10], b: [1, 10], c: [2, 10] }), [])
  assert.deepEqual(planOf({}), [])
})
