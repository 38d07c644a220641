import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { MatchedRoute, SnapshotCell } from '@cellplane/core/data-plane'
import { admitAtCell, inFlightCeiling } from '../decision/admission.ts'
import { type Cell, createCell, limitCell, NO_CEILINGS } from './cell.ts'

const SOCKETS_MAX = 256
const ROUTE = { ceilingShare: 1 } as MatchedRoute

function cellWith(change: Partial<Pick<Cell, 'declared' | 'share'>>): Cell {
  const entry = { slot: 0, id: 'cell-0', url: 'http://127.0.0.1:1' } as SnapshotCell
  const cell = createCell(entry, 'secret', true)
  limitCell(Object.assign(cell, change), SOCKETS_MAX)
  return cell
}

/** How many of so many requests at one moment, none of which ends, the cell is given. */
const admitted = (cell: Cell, count: number) =>
  Array.from({ length: count }, () => {
    const isIn = admitAtCell(cell, ROUTE, { isBackground: false }, 1_000)
    if (isIn) cell.inFlight++
    return isIn
  }).filter((isIn) => isIn).length

describe('a share of a cell’s ceilings', () => {
  test('holds for requests under way, of which one may always be', () => {
    const inFlightOf = (inFlight: number, share: number) =>
      cellWith({ declared: { ...NO_CEILINGS, inFlight }, share }).inFlightMax
    assert.deepEqual([inFlightOf(40, 0.25), inFlightOf(10, 1 / 3), inFlightOf(2, 0.05)], [10, 3, 1])
    assert.equal(admitted(cellWith({ declared: { ...NO_CEILINGS, inFlight: 40 }, share: 0.25 }), 40), 10)
  })

  test('holds for the rate and its burst', () => {
    assert.equal(
      admitted(cellWith({ declared: { ...NO_CEILINGS, requestsPerSecond: 40 }, share: 0.25 }), 40),
      10,
    )
  })

  test('is nothing to a cell that declares none: its sockets are the process’s own', () => {
    const cell = cellWith({ share: 0.1 })
    assert.deepEqual([cell.inFlightMax, cell.requestsPerSecondMax], [SOCKETS_MAX, 0])
  })

  test('bounds the adaptive limit, which follows when it changes', () => {
    const cell = cellWith({ declared: { ...NO_CEILINGS, inFlight: 40 }, share: 0.25 })
    assert.equal(inFlightCeiling(cell), 10)
    cell.share = 1
    limitCell(cell, SOCKETS_MAX)
    assert.equal(inFlightCeiling(cell), 40)
  })

  test('is reported by all that came, let through or not', () => {
    const cell = cellWith({ declared: { ...NO_CEILINGS, inFlight: 4 } })
    admitted(cell, 10)
    assert.equal(cell.arrived, 10)
  })
})
