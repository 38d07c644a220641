import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import { availabilityOf, countsWithoutCells, type Incident } from './availability.ts'

const SPAN = { from: 0, until: 1_000_000 }

const incident = (from: number, until: number | null, more: Partial<Incident> = {}): Incident => ({
  cell: 'cell-001',
  from,
  until,
  cellCounts: { total: 100, good: 0 },
  fleetCounts: { total: 1_600, good: 1_500 },
  ...more,
})

describe('availability', () => {
  test('is counted in requests', () => {
    const found = availabilityOf({ total: 100_000, good: 99_900 }, [], SPAN)
    assert.equal(found.availability, 0.999)
    assert.equal(Math.round(found.nines! * 1000) / 1000, 3)
    assert.deepEqual([found.incidents, found.mttrSeconds, found.mtbfSeconds], [0, null, null])
  })
  test('is whole without requests, and has no number of nines without failures', () => {
    const found = availabilityOf({ total: 0, good: 0 }, [], SPAN)
    assert.deepEqual([found.availability, found.nines], [1, null])
  })
  test('knows how long incidents took and how far apart they were; two at once are one outage', () => {
    const incidents = [incident(100_000, 200_000), incident(150_000, 300_000), incident(900_000, null)]
    const found = availabilityOf({ total: 10, good: 9 }, incidents, SPAN)
    assert.equal(found.mttrSeconds, 125)
    assert.equal(found.mtbfSeconds, (1_000 - 200 - 100) / 3)
  })
  test('never has more time between failures than there was', () => {
    const times = fc.array(fc.tuple(fc.nat(1_000_000), fc.nat(1_000_000)), { minLength: 1, maxLength: 20 })
    fc.assert(
      fc.property(times, (pairs) => {
        const incidents = pairs.map(([a, b]) => incident(Math.min(a, b), Math.max(a, b)))
        const { mtbfSeconds } = availabilityOf({ total: 1, good: 1 }, incidents, SPAN)
        assert.ok(mtbfSeconds! >= 0 && mtbfSeconds! * incidents.length <= 1_000)
      }),
    )
  })
})

describe('without cells', () => {
  test('the same outage is everybody’s', () => {
    // One of 16 cells failed for a while in which the fleet had 1,600 requests.
    assert.deepEqual(
      countsWithoutCells({ total: 10_000, good: 9_900 }, [incident(0, 1)], { from: 0, until: 1 }),
      {
        total: 10_000,
        good: 8_400,
      },
    )
  })
  test('counts that are not whole, as a Prometheus reckons them, stay as they are where nothing was lost', () => {
    const counts = { total: 31.84, good: 31.84 }
    assert.deepEqual(countsWithoutCells(counts, [], SPAN), counts)
  })
  test('what failed at the time anyway is not counted twice', () => {
    const all = incident(0, 1, {
      cellCounts: { total: 10, good: 0 },
      fleetCounts: { total: 10, good: 0 },
    })
    assert.deepEqual(countsWithoutCells({ total: 100, good: 90 }, [all], { from: 0, until: 1 }), {
      total: 100,
      good: 90,
    })
  })
  test('a cell that kept its requests good costs nobody anything', () => {
    const quiet = incident(0, 1, { cellCounts: { total: 0, good: 0 } })
    assert.deepEqual(countsWithoutCells({ total: 100, good: 90 }, [quiet], { from: 0, until: 1 }), {
      total: 100,
      good: 90,
    })
  })
  test('of two outages at once everybody fails by one, and by the other for as long as it goes on alone', () => {
    const two = [incident(0, 10), incident(5, null, { cell: 'cell-002' })]
    assert.deepEqual(countsWithoutCells({ total: 10_000, good: 9_800 }, two, { from: 0, until: 15 }), {
      total: 10_000,
      good: 9_800 - 1_500 - 750,
    })
  })
  test('of an outage that is partly outside of the span everybody fails by the part inside', () => {
    const counts = { total: 10_000, good: 9_900 }
    const straddling = [incident(-30, 10), incident(90, 110, { cell: 'cell-002' })]
    assert.deepEqual(countsWithoutCells(counts, straddling, { from: 0, until: 100 }), {
      total: 10_000,
      good: 9_900 - 1_500 / 4 - 1_500 / 2,
    })
    const before = [incident(-30, 0)]
    assert.deepEqual(countsWithoutCells(counts, before, { from: 0, until: 100 }), counts)
  })
})
