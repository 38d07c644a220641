import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { SATURATION_SHARES } from '@cellplane/contract'
import type { MatchedRoute, SnapshotCell } from '@cellplane/core/data-plane'
import fc from 'fast-check'
import { type Cell, type CellCeilings, createCell, limitCell, NO_CEILINGS } from '../cells/cell.ts'
import { admitAtCell } from './admission.ts'

const SOCKETS_MAX = 256
const NOW = 1_000
const NORMAL = { ceilingShare: 0.9 } as MatchedRoute
const HIGH = { ceilingShare: 1 } as MatchedRoute
const FOREGROUND = { isBackground: false }

function cellWith(declared: Partial<CellCeilings>, isAdaptive = true): Cell {
  const entry = { slot: 0, id: 'cell-0', url: 'http://127.0.0.1:1' } as SnapshotCell
  const cell = createCell(entry, 'secret', isAdaptive)
  limitCell(Object.assign(cell, { declared: { ...NO_CEILINGS, ...declared } }), SOCKETS_MAX, NOW)
  return cell
}

/** So many requests at one moment, none of which ends. */
function send(cell: Cell, count: number, route = HIGH, isAnswered = false): number[] {
  for (let i = 0; i < count; i++) {
    if (!admitAtCell(cell, route, FOREGROUND, NOW)) continue
    cell.inFlight++
    if (!isAnswered) cell.waiting++
  }
  return [...cell.counters.saturation]
}

describe('how full requests find a cell', () => {
  test('is what was under way before them, and a share that is a bound counts for it', () => {
    // 0–5 of 10, then one at each tenth; the ones from the eleventh on are turned away.
    assert.deepEqual(send(cellWith({ inFlight: 10 }), 13), [6, 1, 1, 1, 1, 0, 3])
  })
  test('is no more than room for one that may have one', () => {
    assert.deepEqual(send(cellWith({ inFlight: 1 }), 3), [1, 0, 0, 0, 0, 0, 2])
  })
  test('is beyond all bounds for those whose priority finds no room, though others do', () => {
    assert.deepEqual(send(cellWith({ inFlight: 20 }), 20, NORMAL), [11, 2, 2, 2, 1, 0, 2])
  })
  test('is beyond all bounds for those that are too many a second, however few are under way', () => {
    const cell = cellWith({ requestsPerSecond: 4, inFlight: 100 })
    assert.deepEqual(send(cell, 10), [4, 0, 0, 0, 0, 0, 6])
    assert.equal(cell.counters.shed, 6)
  })
  test('is of this process’s sockets where nothing is declared', () => {
    const counts = send(cellWith({}, false), SOCKETS_MAX + 4)
    assert.deepEqual([counts[0], counts.at(-1)], [SOCKETS_MAX / 2 + 1, 4])
  })
  test('is of the adaptive limit where that is lower, which answers that have begun do not fill', () => {
    const limitedTo10 = () => {
      const cell = cellWith({})
      cell.adaptive!.bound(10)
      return cell
    }
    assert.deepEqual(send(limitedTo10(), 12), [6, 1, 1, 1, 1, 0, 2])
    assert.deepEqual(send(limitedTo10(), 12, HIGH, true), [12, 0, 0, 0, 0, 0, 0])
  })
  test('is counted once for each request, in the bucket that a division would say', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 400 }), fc.integer({ min: 1, max: 400 }), (limit, count) => {
        const expected = new Array<number>(SATURATION_SHARES.length + 1).fill(0)
        const inFlightMax = Math.min(limit, SOCKETS_MAX)
        for (let i = 0; i < count; i++) {
          const isIn = i < inFlightMax
          // Both are whole tenths where they are equal, so the quotient is the bound's own number.
          expected[isIn ? SATURATION_SHARES.findIndex((share) => i / inFlightMax <= share) : 6]!++
        }
        assert.deepEqual(send(cellWith({ inFlight: limit }), count), expected)
      }),
    )
  })
})
