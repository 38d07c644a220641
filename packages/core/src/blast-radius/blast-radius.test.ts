import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { Override } from '@cellplane/contract'
import fc from 'fast-check'
import { bucketOf } from '../hash/bucket.ts'
import { place } from '../placement/place.ts'
import { blastRadius } from './blast-radius.ts'

const HASH = { seed: 5, buckets: 4096 }

function fleetOf(count: number, shardSize: number) {
  const cells = Array.from({ length: count }, (_, slot) => ({ slot, id: `c${slot}`, weight: 10, zone: 'a' }))
  const result = place(null, cells, { ...HASH, shardSize })
  assert.ok(result.ok)
  return { table: result.value.table, shardSize, cells }
}

describe('over buckets', () => {
  for (const [shardSize, touched, pairLost] of [
    [1, 1 / 8, 2 / 8],
    [2, 2 / 8, 1 / 28],
    [3, 3 / 8, 0],
  ] as const) {
    test(`shards of ${shardSize} in 8 cells come close to the ideal`, () => {
      const radius = blastRadius(fleetOf(8, shardSize), null, HASH, [])
      assert.deepEqual([radius.counted_over, radius.count], ['buckets', 4096])
      assert.deepEqual(radius.ideal, { cell_touched: touched, pair_lost: pairLost })
      assert.ok(Math.abs(radius.worst_cell!.tenants_touched - touched) < 0.01)
      assert.ok(Math.abs(radius.worst_pair!.tenants_lost - pairLost) < 0.01)
      assert.equal(radius.worst_cell!.tenants_lost, shardSize === 1 ? radius.worst_cell!.tenants_touched : 0)
      assert.equal(radius.worst_pair!.cells.length, 2)
      assert.equal(radius.cells.length, 8)
    })
  }
})

describe('over tenants', () => {
  const fleet = fleetOf(6, 2)

  test('traffic and tenants are counted apart', () => {
    const radius = blastRadius(
      fleet,
      [
        { tenant: 'big', requests: 97 },
        { tenant: 'a', requests: 1 },
        { tenant: 'b', requests: 2 },
      ],
      HASH,
      [],
    )
    const home = fleet.table[bucketOf('big', HASH.seed, HASH.buckets) * 2]!
    const impact = radius.cells[home]!
    assert.ok(impact.traffic_touched >= 0.97)
    assert.ok(impact.tenants_touched >= 1 / 3)
    assert.ok(radius.worst_pair!.traffic_lost >= 0.97)
    assert.deepEqual([radius.counted_over, radius.count], ['tenants', 3])
  })

  test('an override counts instead of the table', () => {
    const overrides: Override[] = [{ tenant: 'solo', cells: [3], reason: 'assignment', generation: 1 }]
    const radius = blastRadius(fleet, [{ tenant: 'solo', requests: 1 }], HASH, overrides)
    assert.deepEqual(radius.worst_cell, {
      cells: ['c3'],
      tenants_touched: 1,
      tenants_lost: 1,
      traffic_touched: 1,
      traffic_lost: 1,
    })
    assert.equal(radius.worst_pair!.tenants_lost, 1)
  })

  test('no traffic at all is no division by zero', () => {
    const radius = blastRadius(fleet, [{ tenant: 'a', requests: 0 }], HASH, [])
    assert.equal(radius.worst_cell!.traffic_touched, 0)
    assert.equal(radius.worst_cell!.tenants_touched, 1)
  })

  test('the sums agree with a count of each tenant’s cells', () => {
    const shard = fc.uniqueArray(fc.nat(5), { minLength: 1, maxLength: 3 })
    fc.assert(
      fc.property(
        fc.array(fc.record({ shard, requests: fc.integer({ min: 1, max: 9 }) }), {
          minLength: 1,
          maxLength: 30,
        }),
        (loads) => {
          const tenants = loads.map(({ requests }, i) => ({ tenant: `t${i}`, requests }))
          const overrides = loads.map(
            ({ shard }, i): Override => ({ tenant: `t${i}`, cells: shard, reason: 'pin', generation: 0 }),
          )
          const { worst_pair: pair, cells } = blastRadius(fleet, tenants, HASH, overrides)
          const total = loads.reduce((sum, load) => sum + load.requests, 0)
          const lostWith = (gone: number[]) =>
            loads
              .filter((load) => load.shard.every((slot) => gone.includes(slot)))
              .reduce((sum, load) => sum + load.requests, 0) / total
          const touchedBy = (gone: number[]) =>
            loads.filter((load) => load.shard.some((slot) => gone.includes(slot))).length / loads.length
          let worstLost = 0
          for (let a = 0; a < 6; a++) {
            assert.ok(isClose(cells[a]!.traffic_lost, lostWith([a])))
            assert.ok(isClose(cells[a]!.tenants_touched, touchedBy([a])))
            for (let b = 0; b < a; b++) worstLost = Math.max(worstLost, lostWith([a, b]))
          }
          const gone = pair!.cells.map((id) => Number(id.slice(1)))
          assert.ok(isClose(pair!.traffic_lost, worstLost))
          assert.ok(isClose(pair!.traffic_lost, lostWith(gone)))
          assert.ok(isClose(pair!.tenants_touched, touchedBy(gone)))
        },
      ),
      { numRuns: 100 },
    )
  })
})

test('a slot that no cell has is the caller’s mistake', () => {
  const fleet = fleetOf(4, 2)
  assert.throws(() => blastRadius({ ...fleet, cells: fleet.cells.slice(1) }, null, HASH, []), /slot 0/)
})

function isClose(a: number, b: number): boolean {
  return Math.abs(a - b) < 1e-9
}
