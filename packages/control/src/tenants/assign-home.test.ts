import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Cell, Override } from '@cellplane/contract'
import { exampleFleet } from '../fixtures/control-fixture.ts'
import { planDeclarations } from '../registry/declare.ts'
import { assignHome } from './assign-home.ts'

/** Cells in zones a and b in turn, with the given bounds. */
function cellsWith(...bounds: (number | undefined)[]): Cell[] {
  const fleet = exampleFleet({
    cells: { count: bounds.length, zones: ['a', 'b'] },
    quarantine: { enabled: false },
  })
  return planDeclarations(fleet, [], 'local', 0).map(({ stored: { cell } }, i) => ({
    ...cell,
    state: 'active',
    capacity: bounds[i] === undefined ? {} : { tenants: bounds[i] },
  }))
}

const homes = (...slots: number[]): Override[] =>
  slots.map((slot, i) => ({ tenant: `t${i}`, cells: [slot, 9], reason: 'assignment', generation: 1 }))

async function assigned(shard: number[], cells: Cell[], overrides: Override[], isPinned = false) {
  const result = await assignHome('acme', shard, isPinned, cells, async () => overrides)
  return result.ok ? result.value : result.problems.map(({ code, message }) => `${code}: ${message}`).join()
}

test('the home is the first cell of the shard while it has room, and nothing is counted without a bound', async () => {
  assert.deepEqual(await assigned([0, 1], cellsWith(2, 2), homes(0)), [0, 1])
  const unread = () => assert.fail('overrides were read')
  const result = await assignHome('acme', [0, 1], false, cellsWith(undefined, 2), unread)
  assert.deepEqual(result.ok && result.value, [0, 1])
})

test('a full home leaves the tenant to the next cell of the shard', async () => {
  assert.deepEqual(await assigned([0, 1], cellsWith(2, 2), homes(0, 0)), [1, 0])
})

test('a full shard leaves it to the emptiest cell, with an alternate in another zone', async () => {
  const cells = cellsWith(1, 1, 4, 4)
  assert.deepEqual(await assigned([0, 1], cells, homes(0, 1, 2)), [3, 0])
  assert.deepEqual(await assigned([0, 1], cells, homes(0, 1, 3)), [2, 1])
})

test('cells that are not placed take no tenants', async () => {
  const [first, second, third] = cellsWith(1, 5, 5)
  const cells: Cell[] = [first!, { ...second!, state: 'draining' }, { ...third!, weight: 0 }]
  assert.match(String(await assigned([0, 1], cells, homes(0))), /^TENANTS_BOUND_UNMET/)
})

test('when every bound is reached the refusal says so, with the remedy', async () => {
  assert.equal(
    await assigned([0, 1], cellsWith(1, 2), homes(0, 1, 1)),
    'TENANTS_BOUND_UNMET: no active cell may be the home of another tenant: their bounds (capacity.tenants) come to 3 in 2 cells, and all are reached; raise the bounds, or add a cell',
  )
})

test('a tenant that an operator pinned to a full cell is refused and not put elsewhere', async () => {
  assert.match(
    String(await assigned([0, 1], cellsWith(1, 2), homes(0), true)),
    /"acme" is pinned to cell "cell-001", which is the home of 1 tenants and bounded to 1; pin it elsewhere/,
  )
})
