import assert from 'node:assert/strict'
import { test } from 'node:test'
import { parseFleetFile } from '@cellplane/contract/fleet-file'
import { fleetText } from '../testing.ts'
import { planFleet } from './fleet-plan.ts'
import { formatPlan } from './format-plan.ts'

function planOf(more: string, keys?: readonly string[], partitionKey?: string) {
  const fleet = parseFleetFile(fleetText(more, partitionKey))
  if (!fleet.ok) throw new Error(JSON.stringify(fleet.problems))
  const plan = planFleet(fleet.value, keys)
  if (!plan.ok) throw new Error(JSON.stringify(plan.problems))
  return plan.value
}

test('a plan tells places, blast radius and sizing, the same every time', () => {
  const more =
    'placement: { buckets: 8192 }\ncells: { count: 8, capacity: { requests_per_second: 100 } }\nsizing: { peak_requests_per_second: 400 }'
  const plan = planOf(more)
  assert.deepEqual(planOf(more), plan)
  assert.equal(plan.cells.length, 8)
  assert.ok(
    plan.cells.every(
      ({ places, homes }) => Math.abs(places - 1 / 8) < 0.0125 && Math.abs(homes - 1 / 8) < 0.0125,
    ),
  )
  assert.equal(plan.placement.distinct_shards, 28)
  assert.ok(Math.abs((plan.blast_radius.worst_pair?.tenants_lost ?? 1) - 1 / 28) < 0.01)
  assert.equal(plan.sizing?.cellsNeeded, 6)
  const text = formatPlan(plan)
  for (const part of ['28 different shards', 'ideal 25.0 %', 'nothing to object to'])
    assert.ok(text.includes(part), part)
})

test('keys of real requests are counted and judged', () => {
  const few = planOf(
    'cells: { count: 4 }',
    Array.from({ length: 1000 }, (_, i) => `region-${i % 3}`),
  )
  assert.equal(few.blast_radius.counted_over, 'tenants')
  assert.equal(few.blast_radius.count, 3)
  assert.ok(few.lints.some(({ code, severity }) => code === 'KEY_HAS_FEW_VALUES' && severity === 'error'))
  const good = planOf(
    'cells: { count: 4 }',
    Array.from({ length: 1000 }, (_, i) => `tenant-${i % 500}`),
  )
  assert.deepEqual(good.lints, [])
})

test('too few buckets for the tenants of a sample are named', () => {
  const keys = Array.from({ length: 300 }, (_, i) => `tenant-${i}`)
  const plan = planOf('cells: { count: 4 }\nplacement: { buckets: 64 }', keys)
  assert.ok(plan.lints.some(({ code, path }) => code === 'FEW_BUCKETS' && path === 'placement.buckets'))
  assert.match(formatPlan(plan), /warning FEW_BUCKETS/)
})

test('a key that changes is an error', () => {
  const plan = planOf('cells: { count: 4 }', undefined, '{ from: header, name: x-user-email }')
  assert.ok(plan.lints.some(({ code }) => code === 'KEY_CHANGES'))
})

test('bounds on tenants that the expected tenants do not fit into are refused, for each kind of fleet', () => {
  const planned = (bound: number, kind: string) => {
    const text = fleetText(
      `cells: { count: 4, capacity: { tenants: ${bound} } }\nsizing: { peak_requests_per_second: 10, tenants: 1000 }`,
    ).replace('kind: stateless', `kind: ${kind}`)
    const fleet = parseFleetFile(text)
    assert.ok(fleet.ok, JSON.stringify(fleet))
    const plan = planFleet(fleet.value, undefined)
    return plan.ok ? 'ok' : plan.problems.map(({ code, message }) => `${code}: ${message}`).join()
  }
  assert.match(
    planned(400, 'stateless'),
    /^TENANTS_BOUND_UNMET: .* room for 1600 places; expected are 1000 .* 2000/,
  )
  assert.equal(planned(500, 'stateless'), 'ok')
  assert.match(planned(200, 'stateful'), /^TENANTS_BOUND_UNMET: the cells may be the home of 800 tenants/)
  assert.equal(planned(250, 'stateful'), 'ok')
})
