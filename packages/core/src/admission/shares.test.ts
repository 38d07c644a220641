import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import { agedShare, divideLimit, FLOOR_SHARE, shareFloor } from './shares.ts'

const EPSILON = 1e-9
const sum = (values: readonly number[]) => values.reduce((total, value) => total + value, 0)

/** Arrivals of up to 12 routers, some of them none at all, and the load that they are. */
const arrivals = fc
  .array(fc.oneof(fc.constant(0), fc.double({ min: 1e-3, max: 1e4, noNaN: true })), {
    minLength: 1,
    maxLength: 12,
  })
  .filter((counts) => sum(counts) > 0)
const load = fc.double({ min: 0.01, max: 50, noNaN: true })

describe('a limit that is divided', () => {
  test('is let through to the full, or all that arrives: neither more nor less', () => {
    fc.assert(
      fc.property(arrivals, load, (counts, load) => {
        const limit = sum(counts) / load
        const admitted = sum(divideLimit(counts, load).map((share, i) => Math.min(share * limit, counts[i]!)))
        const expected = Math.min(limit, sum(counts))
        assert.ok(Math.abs(admitted - expected) <= expected * EPSILON, `${admitted}, not ${expected}`)
      }),
    )
  })

  test('and is reached is exceeded by no more than the floors, whatever comes next', () => {
    fc.assert(
      fc.property(arrivals, load, (counts, load) => {
        const shares = divideLimit(counts, load)
        if (load < 1) return
        assert.ok(sum(shares) <= 1 + FLOOR_SHARE + EPSILON)
        const isFloorUsed = counts.every((count) => (count / sum(counts)) * load >= shareFloor(counts.length))
        if (isFloorUsed) assert.ok(Math.abs(sum(shares) - 1) <= EPSILON, 'floors in use are part of it')
      }),
    )
  })

  test('leaves no router without its floor', () => {
    fc.assert(
      fc.property(arrivals, load, (counts, load) => {
        for (const share of divideLimit(counts, load)) {
          assert.ok(share >= shareFloor(counts.length) - EPSILON && share <= 1)
        }
      }),
    )
  })

  test('goes by what arrives: who has more is given more, and the order of the routers is nothing', () => {
    fc.assert(
      fc.property(arrivals, load, (counts, load) => {
        const shares = divideLimit(counts, load)
        for (const [i, a] of counts.entries()) {
          for (const [j, b] of counts.entries()) if (a > b) assert.ok(shares[i]! >= shares[j]! - EPSILON)
        }
        const turned = divideLimit(counts.toReversed(), load).toReversed()
        assert.ok(turned.every((share, i) => Math.abs(share - shares[i]!) <= EPSILON))
      }),
    )
  })

  test('is the same for all where the same arrives, or nothing; one router has all of it', () => {
    assert.deepEqual(divideLimit([5, 5, 5, 5], 3), [0.25, 0.25, 0.25, 0.25])
    assert.deepEqual(divideLimit([0, 0], 1), [0.5, 0.5])
    assert.deepEqual(divideLimit([7], 3), [1])
    assert.deepEqual(divideLimit([0, 9, 0, 0], 3), [0.05, 1, 0.05, 0.05])
  })

  test('is whole for everyone far from it, and tightens as it is approached', () => {
    assert.deepEqual(divideLimit([5, 5], 0.5), [1, 1])
    assert.deepEqual(divideLimit([5, 5], 0.75), [0.75, 0.75])
    assert.deepEqual(divideLimit([5, 5], 1), [0.5, 0.5])
  })
})

test('a share that nothing confirms is kept, then rises to the whole limit, and no further', () => {
  const hold = { heldMs: 10_000, riseMs: 60_000 }
  assert.equal(agedShare(0.25, 0, hold), 0.25)
  assert.equal(agedShare(0.25, 10_000, hold), 0.25)
  assert.equal(agedShare(0.25, 40_000, hold), 0.625)
  assert.equal(agedShare(0.25, 70_000, hold), 1)
  assert.equal(agedShare(0.25, 86_400_000, hold), 1)
})
