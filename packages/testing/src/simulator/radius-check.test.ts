/** What a base that says it was forced may exceed: what somebody answers for, and nothing else. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { encodeTable, type TopologyBase } from '@cellplane/contract'
import { createRadiusCheck, type Force } from './radius-check.ts'

const SINCE = '2026-01-01T00:00:00.000Z'
const BUCKETS = 64
const CELLS = 8

type Row = (bucket: number) => [home: number, alternate: number]

const evenly: Row = (bucket) => [bucket % CELLS, (bucket + 1 + Math.floor(bucket / CELLS)) % CELLS]
/** All tenants have cell 0, which most did not have before. */
const onOneCell: Row = (bucket) => [0, 1 + (bucket % (CELLS - 1))]

function base(version: number, rowOf: Row, more: Partial<TopologyBase> = {}): TopologyBase {
  const rows = Array.from({ length: BUCKETS }, (_, bucket) => rowOf(bucket)).flat()
  return {
    ...{ format: 1, kind: 'base', fleet: 'shop', fleet_kind: 'stateless', epoch: 1, version },
    ...{
      issued_at: SINCE,
      topology_ttl_seconds: 60,
      shard_size: 2,
      delivery: 'proxy',
      choice: 'least-loaded',
    },
    hash: { name: 'xxh32', version: 1, seed: 1, buckets: BUCKETS },
    cells: Array.from({ length: CELLS }, (_, slot) => ({
      ...{ slot, id: `cell-${slot}`, zone: `zone-${slot}`, role: 'serving', state: 'active', weight: 10 },
      ...{ endpoints: { http: `http://127.0.0.1:${7500 + slot}` }, capacity: {}, release: 'r1' },
    })),
    table: encodeTable(Uint16Array.from(rows)),
    signature: { algorithm: 'Ed25519', key_id: 'k', value: String(version) },
    ...more,
  } as unknown as TopologyBase
}

function judge(bases: readonly TopologyBase[], forces: readonly Force[], restores = () => 0): string[] {
  const found: string[] = []
  const radius = createRadiusCheck((message) => found.push(message))
  const budget = { cell_factor: 1.5, pair_factor: 2, moved_share: 0.15 }
  const policy = { budget, isRolledBack: () => false, forces: () => forces, restores }
  for (const one of bases) radius.check(one, policy as unknown as Parameters<typeof radius.check>[1])
  return found
}

const forced = { forced: true } as const
const OVER = 'cell "cell-0" would have 100 % of all buckets; the budget allows 37.5 %'
const MOVES = '50 % of all places move (64 of 128); the change needs 0 %'

test('a base beyond the budget is a violation, also when it says that it is forced and nobody answers for it', () => {
  assert.deepEqual(judge([base(1, evenly)], []), [])
  const found = judge([base(1, evenly), base(2, onOneCell)], [])
  assert.match(found.join('\n'), /cell-0 touches 1 of .*\n.* moves \d/)
  assert.deepEqual(judge([base(1, evenly), base(2, onOneCell, forced)], []), [
    'base 2 is forced, and nobody answers for it',
  ])
})

test('what the audit trail names is let through, once, and what it does not name is checked', () => {
  const both = [{ id: '1', subject: `${OVER}; ${MOVES}` }]
  const bases = [base(1, evenly), base(2, onOneCell, forced)]
  assert.deepEqual(judge(bases, both), [])
  assert.match(judge(bases, [{ id: '1', subject: MOVES }]).join('\n'), /^base 2: cell-0 touches 1 of/)
  assert.match(judge(bases, [{ id: '1', subject: OVER }]).join('\n'), /^base 2 moves \d/)
  const again = base(3, (bucket) => [1, 2 + (bucket % (CELLS - 2))], forced)
  assert.deepEqual(judge([...bases, again], both), ['base 3 is forced, and nobody answers for it'])
})

test('a base that was taken back says what was published before, and an entry may have gone with an older store', () => {
  const back = base(3, evenly, forced)
  assert.deepEqual(judge([base(1, evenly), base(2, evenly, { fleet: 'another' }), back], []), [])
  let restored = 0
  const restores = () => restored++
  assert.deepEqual(judge([base(1, evenly), base(2, onOneCell, forced)], [], restores), [])
})
