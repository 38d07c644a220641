import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  BUDGET_DEFAULTS,
  decodeTable,
  encodeTable,
  type TopologyBase,
  type UnsignedTopologyBase,
} from '@cellplane/contract'
import { exampleBase, unwrap } from '../topology/example-fleet.ts'
import { buildSnapshot, packSnapshot } from '../topology/snapshot.ts'
import { guardedBase, guardSuccessor } from './guard.ts'

const signed = (base: UnsignedTopologyBase): TopologyBase => ({
  ...base,
  signature: { algorithm: 'Ed25519', key_id: 'k', value: 'v' },
})

const held = exampleBase({ version: 5 })
/** Every bucket gets the row of the next one: the same loads, and nobody stays where they were. */
const slots = unwrap(decodeTable(held.table, held.hash.buckets, held.shard_size))
const shifted = encodeTable(Uint16Array.of(...slots.subarray(2), ...slots.subarray(0, 2)))

function doubts(next: Partial<UnsignedTopologyBase>, before: Partial<UnsignedTopologyBase> = {}): string[] {
  const guarded = guardedBase(unwrap(buildSnapshot(signed({ ...held, ...before }))))
  const { base, index } = unwrap(packSnapshot(signed({ ...held, version: 6, ...next })))
  return guardSuccessor(guarded, base, index).map(({ path }) => path)
}

test('a direct successor that changes little is taken', () => {
  assert.deepEqual(doubts({}), [])
  assert.deepEqual(doubts({ choice: 'least-loaded' }), [])
})

test('one that moves nearly everybody is refused, with the budget’s field', () => {
  assert.deepEqual(doubts({ table: shifted }), ['budget.moved_share', 'budget.moved_homes_share'])
})

test('one that is forced, a later one, and one of a new epoch are taken: a guard must not wedge', () => {
  assert.deepEqual(doubts({ table: shifted, forced: true }), [])
  assert.deepEqual(doubts({ table: shifted, version: 7 }), [])
  assert.deepEqual(doubts({ table: shifted, epoch: 2 }), [])
  assert.deepEqual(doubts({ table: shifted, epoch: 2, version: 0 }), [])
})

test('without a base there is nothing to compare with', () => {
  const { base, index } = unwrap(packSnapshot(signed({ ...held, table: shifted })))
  assert.deepEqual(guardSuccessor(undefined, base, index), [])
})

test('the budget is that of the base that is held: what a document says of its own limits is no limit', () => {
  const wide = { ...BUDGET_DEFAULTS, moved_share: 1, moved_homes_share: 1 }
  const limits = { ...held.limits, budget: wide }
  assert.equal(doubts({ table: shifted, limits }).length, 2)
  assert.deepEqual(doubts({ table: shifted }, { limits }), [])
})
